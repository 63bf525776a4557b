"""Ray Train as a launcher: workers of a running cluster that are a stage's ranks, started again if one is lost."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from stages.cluster.ending import note
from stages.cluster.rank import LAUNCHER
from stages.cluster.ray_tasks import LOST_NODES, connect
from stages.cluster.settings import LaunchSettings
from stages.errors import ExitCode, StageError

FOLDER = "ray"
"""In a stage's folder: what Ray Train writes down of a run, and the request to end it."""

REQUEST = "end"
LOOK_SECONDS = 1.0


def run_workers(stage: str, rank: Callable[[], object], output: Path, settings: LaunchSettings) -> BaseException:
    """Run `rank` in every worker; what has to be reported if they leave no word of how they ended.

    If one is lost, all are started again, and go on from the newest state. Asked to end, this passes the request on
    and waits for them.
    """
    cores = settings.ray.cores
    connect(settings.ray.address, "training.ray", {"OMP_NUM_THREADS": str(cores * settings.processes)})
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    folder = (output / FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    request = folder / REQUEST
    request.unlink(missing_ok=True)
    trainer = TorchTrainer(
        partial(work, Path.cwd(), request, rank),
        scaling_config=ScalingConfig(
            num_workers=settings.ranks,
            use_gpu="GPU" in ray.cluster_resources(),
            resources_per_worker={"CPU": cores},
        ),
        run_config=RunConfig(
            name=stage, storage_path=str(folder), failure_config=FailureConfig(max_failures=LOST_NODES)
        ),
    )
    return wait_for(trainer, request)


def wait_for(trainer: TorchTrainer, request: Path) -> BaseException:
    """Run the workers to their end, which Ctrl-C brings about by a file that they look for."""
    interrupted = None
    with ThreadPoolExecutor(1) as pool:  # in the main thread, Ray would kill them at once
        running = pool.submit(trainer.fit)
        try:
            error = running.exception()
        except KeyboardInterrupt as asked:
            interrupted = asked
            request.touch()
            error = running.exception()
    ray.shutdown()
    return interrupted or StageError(
        ExitCode.RESOURCES,
        "the workers were lost",
        " ".join(str(error).split())[:300],
        "Look at the cluster (`ray status`), and run again: it goes on from what was saved.",
    )


def work(folder: Path, request: Path, rank: Callable[[], object]) -> None:
    """A worker: the rank in the folder that the driver is in, for paths are relative to it."""
    os.chdir(folder)
    os.environ[LAUNCHER] = "ray"
    threading.Thread(target=watch, args=(request,), daemon=True).start()
    rank()


def watch(request: Path) -> None:
    """Note the request to end when it is there: no signal reaches a worker."""
    while not request.exists():
        time.sleep(LOOK_SECONDS)
    note(0)

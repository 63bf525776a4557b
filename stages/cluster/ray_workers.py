"""Ray Train as a launcher: workers of a running cluster that are a stage's ranks, started again if one is lost."""

import contextlib
import logging
import os
import sys
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
from stages.cluster.rank import LAUNCHER, LOST
from stages.cluster.ray_tasks import LOST_NODES, connect
from stages.cluster.settings import LaunchSettings
from stages.errors import ExitCode, StageError
from stages.execution.outcome import Status

FOLDER = "ray"
"""In a stage's folder: what Ray Train writes down of a run, the request to end it, and what a rank failed with."""

REQUEST = "end"
FAILURE = "failure"
LOOK_SECONDS = 1.0

PATCHED_PRINT = "RAY_TRAIN_ENABLE_PRINT_PATCH"
"""Whether Ray Train logs what a worker prints; here that is shown anyway, and would be shown twice."""


def run_workers(stage: str, rank: Callable[[], Status], output: Path, settings: LaunchSettings) -> BaseException:
    """Run `rank` in every worker; what has to be reported if they leave no word of how they ended.

    If one is lost, all are started again, and go on from the newest state; not if one has failed. Asked to end, this
    passes the request on and waits for them.
    """
    cores = settings.ray.cores
    threads = str(cores * settings.processes)
    connect(settings.ray.address, "training.ray", {"OMP_NUM_THREADS": threads, PATCHED_PRINT: "0"})
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    folder = (output / FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for left in (REQUEST, FAILURE):
        (folder / left).unlink(missing_ok=True)
    trainer = TorchTrainer(
        partial(work, Path.cwd(), folder, rank),
        scaling_config=ScalingConfig(
            num_workers=settings.ranks,
            use_gpu="GPU" in ray.cluster_resources(),
            resources_per_worker={"CPU": cores},
        ),
        run_config=RunConfig(
            name=stage, storage_path=str(folder), failure_config=FailureConfig(max_failures=LOST_NODES)
        ),
    )
    error, failure = wait_for(trainer, folder / REQUEST), folder / FAILURE
    if not failure.exists():
        return error
    reason = failure.read_text(encoding="utf-8")
    print(f"{stage}: {reason}", file=sys.stderr)  # again, below what Ray says of it
    return StageError(ExitCode.RESOURCES, "a rank has failed", reason, "It goes on from what was saved if run again.")


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


def work(checkout: Path, folder: Path, rank: Callable[[], Status]) -> None:
    """A worker: the rank in the folder that the driver is in, for paths are relative to it.

    One that fails ends its process, which Ray keeps otherwise: so the others, who wait for it, hear of it. Those that
    Ray starts in their place leave at once.
    """
    failure = folder / FAILURE
    if failure.exists():
        return
    os.chdir(checkout)
    os.environ[LAUNCHER] = "ray"
    threading.Thread(target=watch, args=(folder / REQUEST,), daemon=True).start()
    ended = rank()
    if ended.code not in (0, ExitCode.INTERRUPTED) and not ended.message.startswith(LOST):
        with contextlib.suppress(OSError):  # it may have failed for a full disk
            failure.write_text(ended.message, encoding="utf-8")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code)


def watch(request: Path) -> None:
    """Note the request to end when it is there: no signal reaches a worker."""
    while not request.exists():
        time.sleep(LOOK_SECONDS)
    note(0)

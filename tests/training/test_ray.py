"""Ranks that are workers of a real Ray cluster: one killed in mid-run, all asked to end."""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch.distributed
from ray.cluster_utils import Cluster

from stages.cluster.rank import rank
from stages.cluster.ray_workers import run_workers
from stages.cluster.settings import ALONE, RayWorkers
from stages.errors import ExitCode
from stages.execution.outcome import Status, status, status_of
from stages.training.ranks import lost_rank
from tests import ray_cluster
from tests.projects import Project
from tests.training.pretraining import COMMAND, curves_and_weights, on, same, started, trained

pytestmark = pytest.mark.slow

Expected = tuple[list[dict[str, float]], dict]


@pytest.fixture(scope="module")
def local(template: Project) -> Expected:
    """What two ranks of the launcher `local` leave: curves and weights."""
    return trained(on(template, 2))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ray_cluster.running(2) as started:
        yield started


@pytest.fixture(scope="module")
def project(template: Project, local: Expected, cluster: Cluster) -> Project:
    """The project with the launcher `ray`, of two ranks."""
    template.edit("cluster.yaml", "launcher: local", "launcher: ray")
    template.edit("cluster.yaml", "address: null  # as of the data", f"address: {cluster.address}")
    return template


def workers() -> list[psutil.Process]:
    """The processes of the ranks."""
    return [one for one in psutil.process_iter(["cmdline"]) if "RayTrainWorker" in " ".join(one.info["cmdline"] or [])]


def test_with_a_worker_killed_in_mid_run_the_curve_is_that_of_local_ranks(project: Project, local: Expected) -> None:
    process = started(project, "00000010")
    ranks = workers()
    assert len(ranks) == 2
    ranks[1].kill()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    curve, weights = curves_and_weights(project)
    assert curve == local[0]
    assert same(weights, local[1])
    folder = project.folder / "data/pretrain"
    assert json.loads((folder / "status.json").read_text()) == {"state": "ran", "code": 0, "message": ""}
    assert json.loads((folder / "metrics.json").read_text())["tokens"] == curve[-1]["tokens"]
    assert "pretrain: 40/40 steps" in output


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_asked_to_end_the_workers_write_their_state_and_go_on(project: Project, local: Expected, strategy: str) -> None:
    process = started(on(project, 2, strategy), "00000010")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED, output
    assert workers() == []
    newest = max((project.folder / "data/pretrain/checkpoints").glob("*/*.pt"))
    assert int(newest.stem) >= 10
    curve, _ = trained(project)
    assert [row["loss"] for row in curve] == pytest.approx([row["loss"] for row in local[0]], rel=2e-3)


def test_an_error_of_one_rank_alone_ends_all_of_them(project: Project) -> None:
    process = started(on(project, 2), "00000010")
    states = project.folder / "data/pretrain/checkpoints"
    shutil.rmtree(states)
    states.touch()  # the first rank, which alone writes states, can write none any more
    output, _ = process.communicate(timeout=240)
    states.unlink()
    assert process.returncode == ExitCode.BUG, output
    assert re.match("pretrain: NotADirectoryError: .*checkpoints", output.splitlines()[-1])
    assert workers() == []


def second_fails(attempts: Path) -> Status:
    """A rank: the second fails by itself, while the first waits for it."""
    with attempts.open("a") as file:
        file.write(f"{rank()}")
    torch.distributed.barrier()
    if rank() == 1:
        time.sleep(5)  # Ray gives up at once where a worker ends before all are known to have started
        return status(ExitCode.RESOURCES, "the second has no memory")
    try:
        torch.distributed.barrier()
    except RuntimeError as error:
        return status_of(lost_rank(error))
    raise AssertionError("nobody to wait for")


def test_an_error_of_another_rank_alone_ends_all_of_them_and_is_named(cluster: Cluster, tmp_path: Path) -> None:
    of_ray = {"launcher": "ray", "processes": 2, "ray": RayWorkers(address=cluster.address, cores=1)}
    attempts = tmp_path / "attempts"
    error = run_workers("pretrain", partial(second_fails, attempts), tmp_path, ALONE.model_copy(update=of_ray))
    assert "a rank has failed: the second has no memory" in str(error)
    assert sorted(attempts.read_text()) == ["0", "1"]
    assert workers() == []


def test_a_cluster_that_does_not_answer_is_named(project: Project, cluster: Cluster) -> None:
    project.edit("cluster.yaml", f"address: {cluster.address}", "address: 127.0.0.1:9")
    code, output = project.run(*COMMAND, HEADWATER_TRACKING="off")
    project.edit("cluster.yaml", "address: 127.0.0.1:9", f"address: {cluster.address}")
    assert code == ExitCode.CONFIGURATION
    assert re.search("^pretrain: no Ray cluster answers: training.ray.address 127.0.0.1:9", output, re.M)

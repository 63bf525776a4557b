"""Ranks that a real SLURM of this machine starts: put back into its queue, interrupted, killed, refused."""

import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from stages.cluster.slurm import job_name
from stages.errors import ExitCode
from tests.projects import Project
from tests.training import slurm_cluster
from tests.training.pretraining import COMMAND, curves_and_weights, on, same, started, trained, wait_for_state

pytestmark = pytest.mark.slow

Expected = tuple[list[dict[str, float]], dict, bytes]


@pytest.fixture(scope="module")
def local(template: Project) -> Expected:
    """What two ranks of the launcher `local` leave: curves, weights and metrics."""
    curve, weights = trained(on(template, 2))
    return curve, weights, (template.folder / "data/pretrain/metrics.json").read_bytes()


@pytest.fixture(scope="module")
def project(template: Project, local: Expected) -> Iterator[Project]:
    """The project with the launcher `slurm`, of two ranks."""
    with slurm_cluster.running():
        template.edit("cluster.yaml", "launcher: local", "launcher: slurm")
        yield template


def job(project: Project) -> str:
    """The number of the job that is queued or at work; nothing without one."""
    command = ["squeue", "--noheader", "--format=%i", f"--name={job_name('pretrain', project.folder)}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def rank_process(number: str) -> psutil.Process:
    """The process of a rank."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("SLURM_PROCID") == number and "stages.pretrain" in " ".join(process.cmdline()[:3]):
                return process
        except psutil.Error:
            continue
    raise AssertionError(f"no rank {number}")


def test_a_job_leaves_what_a_local_run_leaves(project: Project, local: Expected) -> None:
    assert project.run("python", "-m", "stages.tracking.store")[0] == 0
    code, output = project.run(*COMMAND)
    assert code == 0, output
    curve, weights = curves_and_weights(project)
    folder = project.folder / "data/pretrain"
    assert curve == local[0]
    assert same(weights, local[1])
    assert (folder / "metrics.json").read_bytes() == local[2]
    assert json.loads((folder / "status.json").read_text()) == {"state": "ran", "code": 0, "message": ""}
    assert json.loads((folder / "timings.json").read_text())["work_seconds"] > 0
    assert "pretrain: 40/40 steps" in output
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        assert database.execute("select name, status from runs").fetchall() == [("pretrain", "FINISHED")]
        (points,) = database.execute("select count(*) from metrics where key = 'validation_loss'").fetchone()
    assert points == len(curve)


def test_pre_empted_interrupted_and_left_behind_it_goes_on(project: Project, local: Expected) -> None:
    process = started(project, "00000010")
    first = job(project)
    subprocess.run(["scontrol", "requeue", first], check=True)
    wait_for_state(project, process, "00000020")
    assert job(project) == first
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED, output
    assert json.loads((project.folder / "data/pretrain/status.json").read_text())["state"] == "interrupted"
    assert not job(project)
    # The next submitting process is killed: its job, held still so that it cannot end by itself, is ended by the start
    # after.
    process = started(project, "00000030")
    subprocess.run(["scontrol", "suspend", job(project)], check=True)
    process.kill()
    process.wait()
    assert job(project)
    curve, weights = trained(project)
    assert curve == local[0]
    assert same(weights, local[1])


def test_a_rank_that_is_lost_is_one_line_and_ends_the_job(project: Project) -> None:
    process = started(project, "00000010")
    rank_process("1").kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == ExitCode.RESOURCES, output
    assert len(re.findall(r"^pretrain: (?:another rank|the job) was lost: .*un (?:it )?again.*$", output, re.M)) == 1
    deadline = time.monotonic() + 60
    while job(project):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_option_that_sbatch_does_not_take_is_refused(project: Project) -> None:
    project.edit("cluster.yaml", "slurm: {}", "slurm: {partition: nowhere}")
    code, output = project.run(*COMMAND, HEADWATER_TRACKING="off")
    project.edit("cluster.yaml", "slurm: {partition: nowhere}", "slurm: {}")
    assert code == ExitCode.CONFIGURATION
    assert re.search("^pretrain: SLURM takes no job: sbatch: .*invalid partition.*Mend training.slurm", output, re.M)

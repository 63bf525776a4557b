"""Pretraining of a tiny model by the stage's own command, on as many ranks as `cluster.yaml` says."""

import csv
import re
import signal
import subprocess
import time

import pytest
from safetensors.numpy import load_file

from stages.errors import ExitCode
from tests.projects import Project

CLOSE = 2e-3
"""Of a loss after 40 steps: sums are added in another order, and Muon's steps make the most of a last digit."""

COMMAND = (
    *("python", "-m", "stages.pretrain", "--train", "data/encode/train", "--validation", "data/encode/validation"),
    *("--tokenizer", "data/train_tokenizer/tokenizer", "--weights", "data/weights.json", "--output", "data/pretrain"),
)


def on(template: Project, processes: int, strategy: str = "ddp") -> Project:
    """The project as its last run left it, set to so many ranks."""
    cluster = template.folder / "cluster.yaml"
    text = re.sub(r"(training:(?:\n  .*)*?\n  processes: )\d+", rf"\g<1>{processes}", cluster.read_text())
    cluster.write_text(re.sub(r"(?<=strategy: )\w+", strategy, text))
    return template


def trained(project: Project) -> tuple[list[dict[str, float]], dict]:
    """The curves and the weights of a run that comes to its end."""
    code, output = project.run(*COMMAND, HEADWATER_TRACKING="off")
    assert code == 0, output
    return curves_and_weights(project)


def curves_and_weights(project: Project) -> tuple[list[dict[str, float]], dict]:
    """What the last run has left."""
    with (project.folder / "data/pretrain/curves.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return rows, load_file(project.folder / "data/pretrain/model/model.safetensors")


def require_close(curve: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    """The same steps and tokens, and losses but for the rounding."""
    for name in ("step", "tokens"):
        assert [row[name] for row in curve] == [row[name] for row in other]
    for name in ("loss", "gradient_norm", "validation_loss"):
        assert [row[name] for row in curve] == pytest.approx([row[name] for row in other], rel=CLOSE)


def same(one: dict, other: dict) -> bool:
    return all((one[name] == other[name]).all() for name in one)


def started(project: Project, step: str) -> subprocess.Popen[str]:
    """A run that has written its state after that step."""
    process = project.start(*COMMAND, HEADWATER_TRACKING="off")
    wait_for_state(project, process, step)
    return process


def wait_for_state(project: Project, process: subprocess.Popen[str], step: str) -> None:
    """Wait until a run has written its state after that step."""
    deadline = time.monotonic() + 300
    while not list((project.folder / "data/pretrain/checkpoints").glob(f"*/{step}.pt")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupted(project: Project, step: str, request: signal.Signals) -> None:
    """A run that is asked to end after it has written its state after that step."""
    process = started(project, step)
    process.send_signal(request)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED, output

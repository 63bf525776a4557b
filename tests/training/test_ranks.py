"""Several ranks on this machine, started by the stage's own command: the curve of one process, killed and gone on."""

import csv
import os
import re
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from stages.cluster.rank import VARIABLE, rank
from stages.errors import ExitCode, StageError
from stages.training.batches import Mixture, Part
from stages.training.comparisons import Comparison, Comparisons
from tests.projects import Project, copy_of_this
from tests.specimens import write_tokens

CLOSE = 2e-3
"""Of a loss after 40 steps: sums are added in another order, and Muon's steps make the most of a last digit."""

COMMAND = (
    *("python", "-m", "stages.pretrain", "--train", "data/encode/train", "--validation", "data/encode/validation"),
    *("--tokenizer", "data/train_tokenizer/tokenizer", "--weights", "data/weights.json", "--output", "data/pretrain"),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory, tokenizer_folder, tokenizer) -> Project:
    """The project with a few texts as tokens."""
    project = copy_of_this(tmp_path_factory.mktemp("ranks") / "checkout")
    texts = [f"{number} rivers rise and fall into the sea, {number * number} do not." for number in range(300)]
    write_tokens(project.folder / "data/encode/train", texts[:250], 64, tokenizer)
    write_tokens(project.folder / "data/encode/validation", texts[250:], 64, tokenizer)
    target = project.folder / "data/train_tokenizer/tokenizer"
    target.parent.mkdir(parents=True)
    target.symlink_to(tokenizer_folder)
    (project.folder / "data/weights.json").write_text("{}")
    return project


def on(template: Project, processes: int) -> Project:
    """The project as its last run left it, set to so many ranks."""
    cluster = template.folder / "cluster.yaml"
    cluster.write_text(re.sub(r"(?<=training:\n  processes: )\d+", str(processes), cluster.read_text()))
    return template


def trained(project: Project) -> tuple[list[dict[str, float]], dict]:
    """The curves and the weights of a run that comes to its end."""
    code, output = project.run(*COMMAND, HEADWATER_TRACKING="off")
    assert code == 0, output
    with (project.folder / "data/pretrain/curves.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return rows, load_file(project.folder / "data/pretrain/model/model.safetensors")


def same(one: dict, other: dict) -> bool:
    return all((one[name] == other[name]).all() for name in one)


def started(project: Project, step: str) -> subprocess.Popen[str]:
    """A run that has written its state after that step."""
    process = project.start(*COMMAND, HEADWATER_TRACKING="off")
    deadline = time.monotonic() + 300
    while not list((project.folder / "data/pretrain/checkpoints").glob(f"*/{step}.pt")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def ranks_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The ranks that the first has started."""
    return [child for child in psutil.Process(process.pid).children() if "stages.pretrain" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_two_ranks_have_the_curve_of_one_process_and_go_on_where_they_were_killed(template: Project) -> None:
    alone, _ = trained(on(template, 1))
    curve, weights = trained(on(template, 2))
    assert [row["step"] for row in curve] == [row["step"] for row in alone]
    assert [row["tokens"] for row in curve] == [row["tokens"] for row in alone]
    for name in ("loss", "gradient_norm", "validation_loss"):
        assert [row[name] for row in curve] == pytest.approx([row[name] for row in alone], rel=CLOSE)
    # The first killed, the second killed, all asked to end: each time the others end too, and the same bits come out.
    for strike in ("first", "second", "all"):
        process = started(template, "00000010")
        others = ranks_of(process)
        assert len(others) == 1
        if strike == "second":
            others[0].kill()
        else:
            os.kill(process.pid, signal.SIGKILL if strike == "first" else signal.SIGINT)
        code = process.wait(120)
        assert code != 0
        assert (code == ExitCode.INTERRUPTED) == (strike == "all")
        psutil.wait_procs(others, timeout=120)
        assert not any(other.is_running() and other.status() != psutil.STATUS_ZOMBIE for other in others)
        again, same_weights = trained(template)
        assert again == curve
        assert same(same_weights, weights)


@pytest.mark.slow
def test_another_number_of_ranks_goes_on_at_the_right_token(template: Project) -> None:
    whole, _ = trained(on(template, 1))
    process = started(template, "00000020")
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == ExitCode.INTERRUPTED
    rest, _ = trained(on(template, 3))
    # What was done by one process is not done again: in those rows alone not a digit differs.
    assert rest[:4] == whole[:4]
    assert rest != whole
    assert [row["tokens"] for row in rest] == [row["tokens"] for row in whole]
    assert [row["loss"] for row in rest] == pytest.approx([row["loss"] for row in whole], rel=CLOSE)


def test_parts_are_shared_so_that_no_rank_is_left_without(rows) -> None:
    mixture = Mixture([Part("domain", rows, 1), Part("general", rows, 2)], 1, 1)
    assert [[len(mixture.share(rank, 3)(step)) for rank in range(3)] for step in range(3)] == [[1, 1, 1]] * 3
    with pytest.raises(StageError, match="4 processes, steps of 3 rows") as caught:
        mixture.share(0, 4)
    assert caught.value.code == ExitCode.CONFIGURATION


def test_prompts_are_shared_and_the_last_step_of_an_epoch_is_looked_at(comparisons: Comparisons) -> None:
    for step in range(comparisons.steps_per_epoch):
        shared = [comparisons.share(rank, 2)(step) for rank in range(2)]
        assert sum(batch.weight for share in shared for batch in share) == len(comparisons.names(step))
    with pytest.raises(StageError, match="3 processes, steps of 2 prompts"):
        comparisons.share(0, 3)


@pytest.fixture
def comparisons() -> Comparisons:
    answers = (np.arange(6, 9), np.arange(6, 10))
    members = [Comparison(f"p{number}", answers, np.full((2, 2, 2), 0.5)) for number in range(6)]
    return Comparisons(members, prompts_per_step=4, micro_batch_rows=4, context_length=10, seed=1)


def test_a_process_that_nobody_started_beside_another_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert rank() == 0
    monkeypatch.setenv(VARIABLE, "3")
    assert rank() == 3

"""Several ranks on this machine, started by the stage's own command: the curve of one process, killed and gone on."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from stages.cluster.rank import LAUNCHER, LOCAL, launcher, rank
from stages.errors import ExitCode, StageError
from stages.training.batches import Mixture, Part
from stages.training.comparisons import Comparison, Comparisons
from tests.projects import ROOT, Project
from tests.training.pretraining import CLOSE, interrupted, on, require_close, same, started, trained
from tests.training.sharded_run import train

BF16_CLOSE = 2e-2
"""Of a loss after 40 steps in bf16: up to 1 % between one process and two ranks with whole weights."""


def ranks_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The ranks that the first has started."""
    return [child for child in psutil.Process(process.pid).children() if "stages.pretrain" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_two_ranks_have_the_curve_of_one_process_and_go_on_where_they_were_killed(
    template: Project, alone: list[dict[str, float]]
) -> None:
    curve, weights = trained(on(template, 2))
    require_close(curve, alone)
    # The first killed, the second killed, all asked to end: each time the others end too.
    for step, strike, code in (
        ("00000010", "first", -signal.SIGKILL),
        ("00000020", "second", ExitCode.RESOURCES),
        ("00000030", "all", ExitCode.INTERRUPTED),
    ):
        process = started(template, step)
        others = ranks_of(process)
        assert len(others) == 1
        if strike == "second":
            others[0].kill()
        else:
            os.kill(process.pid, signal.SIGKILL if strike == "first" else signal.SIGINT)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == code, output
        lost = re.findall("^pretrain: another rank was lost: .*run again.*$", output, re.M)
        assert len(lost) == (strike == "second")
        psutil.wait_procs(others, timeout=120)
        assert not any(other.is_running() and other.status() != psutil.STATUS_ZOMBIE for other in others)
    again, same_weights = trained(template)
    assert again == curve
    assert same(same_weights, weights)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_another_number_of_ranks_goes_on_at_the_right_token(
    template: Project, alone: list[dict[str, float]], strategy: str
) -> None:
    _, of_one = trained(on(template, 1))
    interrupted(template, "00000020", signal.SIGINT)
    rest, weights = trained(on(template, 3, strategy))
    # What was done by one process is not done again: in those rows not a digit differs.
    assert rest[:4] == alone[:4]
    assert not same(weights, of_one)
    require_close(rest, alone)


@pytest.mark.slow
def test_two_ranks_with_half_of_the_weights_each_have_the_curve_of_one_process(
    template: Project, alone: list[dict[str, float]]
) -> None:
    """A tied embedding, Muon and the global norm among it; asked to end, they write one state of both halves."""
    curve, weights = trained(on(template, 2, "fsdp"))
    require_close(curve, alone)
    interrupted(template, "00000010", signal.SIGTERM)
    again, same_weights = trained(template)
    assert again == curve
    assert same(same_weights, weights)
    interrupted(template, "00000010", signal.SIGINT)
    rest, _ = trained(on(template, 1))
    assert rest[:2] == curve[:2]
    require_close(rest, alone)


@pytest.mark.slow
def test_sharded_weights_are_multiplied_in_bf16_and_moved_as_those_of_one_process(template: Project) -> None:
    """Muon's sums, gathered in bf16, among it."""
    in_fp32 = "precision: fp32, compile: false, threads: 1}\n\nfinetune:"  # of pretrain, which stands before it
    in_bf16 = in_fp32.replace("fp32", "bf16")
    template.edit("params.yaml", in_fp32, in_bf16)
    try:
        (alone, _), (curve, _) = trained(on(template, 1)), trained(on(template, 2, "fsdp"))
    finally:
        template.edit("params.yaml", in_bf16, in_fp32)
    run = json.loads((template.folder / "data/pretrain/model/run.json").read_text())
    assert run["recipe"]["acceleration"]["precision"] == "bf16"
    for name in ("loss", "validation_loss"):
        assert [row[name] for row in curve] == pytest.approx([row[name] for row in alone], rel=BF16_CLOSE)
    assert curve != alone


@pytest.mark.slow
def test_sharded_ranks_without_a_row_of_some_weights_or_with_fewer_batches_keep_the_same_weights(
    tmp_path: Path,
) -> None:
    """Three ranks for a head of two rows, and four prompts: the best weights are those of one process."""
    model, result = train(tmp_path / "alone")
    command = [sys.executable, "-m", "tests.training.sharded_run", "3", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0
    sharded = torch.load(tmp_path / "result.pt", weights_only=True)
    assert sharded["kept"] == pytest.approx(result.kept, rel=CLOSE)
    assert result.kept["step"] > 0
    require_close(sharded["rows"], result.rows)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(sharded["weights"][name], tensor, rtol=CLOSE, atol=1e-4)


def test_parts_are_shared_so_that_no_rank_is_left_without(rows) -> None:
    mixture = Mixture([Part("domain", rows, 1), Part("general", rows, 2)], 1, 1)
    assert [[len(mixture.share(rank, 3)(step)) for rank in range(3)] for step in range(3)] == [[1, 1, 1]] * 3
    with pytest.raises(StageError, match="4 processes, steps of 3 rows") as caught:
        mixture.share(0, 4)
    assert caught.value.code == ExitCode.CONFIGURATION


def test_a_micro_batch_has_no_more_rows_than_a_rank_has_of_a_step(rows) -> None:
    mixture = Mixture([Part("domain", rows, 2), Part("general", rows, 3)], 4, 1)
    shapes = [[[len(micro.tokens) for micro in mixture.share(rank, 2)(step)] for rank in range(2)] for step in range(2)]
    assert shapes == [[[3], [3]]] * 2  # of 3 rows and of 2, the one of them filled up
    assert [len(micro.tokens) for micro in mixture.share(0, 1)(0)] == [4, 4]
    assert [len(micro.tokens) for micro in replace(mixture, micro_batch_rows=99).share(0, 1)(0)] == [5]


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
    for name in (LAUNCHER, LOCAL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_PROCID", "2")  # of a shell inside of a job that is not ours
    assert (launcher(), rank()) == (None, 0)
    monkeypatch.setenv(LOCAL, "3")
    assert rank() == 3
    monkeypatch.setenv(LAUNCHER, "slurm")
    assert (launcher(), rank()) == ("slurm", 2)

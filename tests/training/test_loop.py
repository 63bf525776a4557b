from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from stages.errors import StageError
from stages.model.transformer import Transformer
from stages.training.batches import LanguageBatch, Mixture, Part, Rows
from stages.training.loop import Result, train_model
from stages.training.module import LoopSettings, Plan
from stages.training.objectives import next_token_loss
from stages.training.schedule import ScheduleSettings
from tests.specimens import PLAN


class Points(Logger):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[int | None, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "points"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.points.append((step, metrics))


class Interrupted:
    """Batches that end the run at a step, as Ctrl-C would while the step is being prepared."""

    def __init__(self, batches: Mixture, step: int, error: type[BaseException]) -> None:
        self.batches, self.step, self.error = batches, step, error

    def __call__(self, step: int) -> list[Any]:
        if step == self.step:
            raise self.error
        return self.batches(step)

    def names(self, step: int) -> list[str]:
        return self.batches.names(step)

    def share(self, rank: int, ranks: int) -> "Interrupted":
        return self


class Poisoned(Interrupted):
    """Batches of which that of a step has a loss that is no number."""

    def __call__(self, step: int) -> list[Any]:
        batches = self.batches(step)
        return [replace(batch, segments=batch.segments * 0 - 1) for batch in batches] if step == self.step else batches


def run(
    model: Transformer,
    rows: Rows,
    checkpoints: Path,
    plan: Plan = PLAN,
    wrap: Callable[[Mixture], Any] = lambda batches: batches,
    validate: Callable[[Any], dict[str, float]] = lambda model: {"validation_loss": model.model.norm.weight[0].item()},
    logger: Logger | None = None,
) -> Result:
    batches = Mixture([Part("train", rows, 4)], micro_batch_rows=2, seed=1)
    return train_model(model, wrap(batches), loss, validate, plan, checkpoints, logger)


def loss(model: Any, batch: LanguageBatch) -> Tensor:
    """As in training, and no number for a batch that a test has marked."""
    found = next_token_loss(model, batch)
    return found * torch.nan if (batch.segments < 0).all() else found


def same_weights(one: Transformer, other: Transformer) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_loop_is_adamw_step_by_step(tiny_model, rows, tmp_path):
    """The same steps written out plainly end at the same weights, bit for bit."""
    trained, plain = tiny_model(), tiny_model()
    steady = ScheduleSettings(warmup_share=0, decay_share=0)
    adamw = PLAN.optimizer.model_copy(update={"matrices": "adamw"})
    run(trained, rows, tmp_path, plan=replace(PLAN, steps=5, schedule=steady, optimizer=adamw))
    decayed = [p for p in plain.parameters() if p.ndim == 2]
    others = [p for p in plain.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.95),
        fused=True,
    )
    batches = Mixture([Part("train", rows, 4)], micro_batch_rows=2, seed=1)
    for step in range(5):
        weight = sum(batch.weight for batch in batches(step))
        for batch in batches(step):
            (next_token_loss(plain, batch) / weight).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert same_weights(trained, plain)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("step", [10, 13])
def test_an_interrupted_run_continues_to_the_same_bits(tiny_model, rows, tmp_path, step, error):
    whole, interrupted = tiny_model(), tiny_model()
    expected = run(whole, rows, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, rows, tmp_path / "cut", wrap=lambda batches: Interrupted(batches, step, error))
    assert sorted(path.stem for path in (tmp_path / "cut").glob("*.pt"))[-1] == f"{step:08d}"
    continued = tiny_model()
    result = run(continued, rows, tmp_path / "cut")
    assert same_weights(continued, whole)
    assert result == expected


def test_a_run_that_died_continues_from_its_last_state(tiny_model, rows, tmp_path):
    expected = run(whole := tiny_model(), rows, tmp_path / "whole")
    with pytest.raises(ZeroDivisionError):
        run(tiny_model(), rows, tmp_path / "cut", wrap=lambda batches: Interrupted(batches, 13, ZeroDivisionError))
    assert sorted(path.stem for path in (tmp_path / "cut").glob("*.pt")) == ["00000005", "00000010"]
    result = run(continued := tiny_model(), rows, tmp_path / "cut")
    assert same_weights(continued, whole)
    assert result == expected


def test_rows_come_every_few_steps_with_the_newest_validation(tiny_model, rows, tmp_path):
    result = run(tiny_model(), rows, tmp_path)
    assert [row["step"] for row in result.rows] == [4, 8, 12, 16, 20]
    assert [row["tokens"] for row in result.rows] == [step * 4 * 15 for step in (4, 8, 12, 16, 20)]
    assert list(result.rows[0]) == ["step", "tokens", "loss", "learning_rate", "gradient_norm", "validation_loss"]
    validations = [row["validation_loss"] for row in result.rows]
    assert validations[0] == result.first["validation_loss"] == 1.0
    assert validations[1] == validations[2] != validations[0]
    assert result.kept == {"step": 20, "validation_loss": validations[-1]}
    assert result.figures() == {"validation_loss": round(validations[-1], 6), "loss_spikes": 0}
    assert result.rows[-1]["loss"] < result.rows[0]["loss"]


def test_the_weights_of_the_best_validation_are_kept(tiny_model, rows, tmp_path):
    """Validation says that step 8 was best; the weights are those of a run that ended there."""
    figures = iter([3.0, 1.0, 2.0, 2.5])
    plan = replace(PLAN, choose_by="validation_loss", schedule=ScheduleSettings(warmup_share=0, decay_share=0))
    chosen = tiny_model()
    result = run(chosen, rows, tmp_path / "a", plan=plan, validate=lambda model: {"validation_loss": next(figures)})
    assert result.kept == {"step": 8, "validation_loss": 1.0}
    short = tiny_model()
    run(short, rows, tmp_path / "b", plan=replace(plan, steps=8, choose_by=None))
    assert same_weights(chosen, short)


def test_a_logger_gets_the_rows_and_the_speed(tiny_model, rows, tmp_path):
    logger = Points()
    result = run(tiny_model(), rows, tmp_path, logger=logger)
    assert [step for step, _ in logger.points] == [row["step"] for row in result.rows]
    for (_, point), row in zip(logger.points, result.rows, strict=True):
        assert point.items() >= row.items()
        assert point["tokens_per_second"] > 0
        assert point["model_flops_utilisation"] > 0
        assert 0 < point["data_wait_share"] < 1
        assert point["peak_memory_mebibytes"] > 10


def test_tracking_changes_no_weight(tiny_model, rows, tmp_path):
    run(tracked := tiny_model(), rows, tmp_path / "a", logger=Points())
    run(untracked := tiny_model(), rows, tmp_path / "b")
    assert same_weights(tracked, untracked)


def test_a_run_that_diverges_names_what_it_read_and_keeps_its_last_good_state(tiny_model, rows, tmp_path):
    named = replace(rows, names=lambda index: [f"document {row}" for row in index])
    plan = replace(PLAN, loop=LoopSettings(log_steps=20, validation_steps=20, checkpoint_steps=5))
    read = Mixture([Part("train", named, 4)], 2, 1).names(7)
    with pytest.raises(StageError) as caught:
        run(tiny_model(), named, tmp_path, plan, wrap=lambda batches: Poisoned(batches, 7, ZeroDivisionError))
    assert caught.value.what == "training diverged"
    assert f"no number at step 8, which read {', '.join(read)}" in str(caught.value)
    assert [path.stem for path in tmp_path.glob("*.pt")] == ["00000005"]


def test_of_much_that_a_bad_step_read_the_first_is_named(tiny_model, rows, tmp_path):
    model = tiny_model()
    with torch.no_grad():
        model.model.norm.weight.fill_(np.nan)
    many = replace(rows, names=lambda index: [f"d{number}" for number in range(10)])
    with pytest.raises(StageError, match="step 1, which read d0, d1, d2, d3, d4, d5, d6, d7 and 2 more"):
        run(model, many, tmp_path)

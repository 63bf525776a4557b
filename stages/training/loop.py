"""The one training loop: Lightning around any model, objective and batches, continued where it was interrupted."""

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy

from stages.cluster.rank import rank
from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.progress import Progress
from stages.training.callbacks import Recorder, Resumption
from stages.training.curves import Row, spikes
from stages.training.module import Batches, Objective, Plan, Training, Validate
from stages.training.resumption import newest_state


@dataclass(frozen=True)
class Result:
    """What a run leaves beside the trained model."""

    rows: list[Row]
    """Rows of the curves; each repeats the newest validation before it."""
    first: Row
    """Validation of the starting weights."""
    kept: Row
    """Validation of the weights that the model has now."""

    def figures(self) -> dict[str, float]:
        """That validation as metrics, and how often the loss jumped."""
        kept = {name: round(value, 6) for name, value in self.kept.items() if name != "step"}
        return kept | {"loss_spikes": spikes([row["loss"] for row in self.rows])}


class Steps:
    """The batches of the steps from `first` on, one item per optimizer step."""

    def __init__(self, batches: Batches, first: int, steps: int) -> None:
        self.batches = batches
        self.first = first
        self.steps = steps
        self.seconds = 0.0
        """Spent on making batches, in which nothing is learnt."""

    def __iter__(self) -> Iterator[list[Any]]:
        for step in range(self.first, self.steps):
            began = time.monotonic()
            batch = self.batches(step)
            self.seconds += time.monotonic() - began
            yield batch

    def __len__(self) -> int:
        return self.steps - self.first


def fit(training: Training, batches: Batches, checkpoints: Path, logger: Logger | None, ranks: int) -> None:
    """Take the steps that are left; KeyboardInterrupt if asked to end, after a state was written.

    Of several ranks, the first starts the others, which run the same command; only it returns.
    """
    # One line of progress says more than Lightning's notes on devices and its tips.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", module="lightning")
    plan, done = training.plan, training.progression.step
    is_first = rank() == 0
    with Progress(plan.title, total=plan.steps, unit="step", start=done) if is_first else nullcontext() as progress:
        trainer = Trainer(
            accelerator="auto",
            devices=ranks,
            strategy=DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True) if ranks > 1 else "auto",
            max_epochs=1,
            logger=logger or False,
            callbacks=[Recorder(progress), Resumption(checkpoints)] if progress else [],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,  # Lightning's own interval, which nothing here uses; a longer one makes it warn
        )
        try:
            trainer.fit(training, Steps(batches.share(rank(), ranks), done, plan.steps))
        except SystemExit as end:  # Lightning exits by itself, with code 1 after Ctrl-C and 0 after SIGTERM
            raise KeyboardInterrupt from end
    if not is_first:
        sys.exit(0)


def train_model(
    model: Transformer | ScalarModel,
    batches: Batches,
    objective: Objective,
    validate: Validate,
    plan: Plan,
    checkpoints: Path,
    logger: Logger | None,
    ranks: int = 1,
) -> Result:
    """Train `model` in place by the plan; continues from the newest whole state in `checkpoints`.

    The result is the same, bit for bit on a processor, however often the run was interrupted; on another number of
    ranks it is so up to rounding. Ranks but the first do not return: they exit.
    """
    torch.set_num_threads(max(torch.get_num_threads() // ranks, 1))
    training = Training(model, objective, validate, plan, batches.names)
    state = newest_state(checkpoints)
    if state is None:
        if rank() == 0:
            training.run_validation()
    else:
        training.restore(state)
        if logger is not None:  # its writer may have been killed too, before it wrote them all
            for row in training.progression.rows:
                logger.log_metrics(row, int(row["step"]))
    if training.progression.step < plan.steps:
        fit(training, batches, checkpoints, logger, ranks)
    return kept(training)


def kept(training: Training) -> Result:
    """Give the model the weights that the plan chooses, and sum up."""
    progression, key = training.progression, training.plan.choose_by
    validations = progression.validations
    if key is None or progression.best is None:
        chosen = validations[-1]
    else:
        chosen = min(validations, key=lambda row: (row[key], -row["step"]))
        training.model.load_state_dict(progression.best)
    return Result(progression.rows, validations[0], chosen)

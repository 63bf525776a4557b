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
from torch import Tensor

from stages.cluster.rank import rank
from stages.cluster.settings import ALONE, LaunchSettings
from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.progress import Progress
from stages.training.callbacks import Recorder, Resumption
from stages.training.curves import Row, spikes
from stages.training.launch import end_others, trainer_options
from stages.training.module import Batches, Objective, Plan, Training, Validate
from stages.training.ranks import leave_group, lost_rank
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


def fit(
    training: Training, batches: Batches, checkpoints: Path, logger: Logger | None, launch: LaunchSettings
) -> dict[str, Tensor]:
    """Take the steps that are left; the weights after them.

    KeyboardInterrupt if asked to end, after a state was written; ranks but the first exit then.
    """
    # One line of progress says more than Lightning's notes on devices and its tips.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (".*LeafSpec.*is deprecated", "The `srun` command is available"):
        warnings.filterwarnings("ignore", message=message, module="lightning")
    plan, done = training.plan, training.progression.step
    is_first = rank() == 0
    with Progress(plan.title, total=plan.steps, unit="step", start=done) if is_first else nullcontext() as progress:
        trainer = Trainer(
            **trainer_options(launch),
            max_epochs=1,
            logger=logger or False,
            callbacks=[Recorder(progress), Resumption(checkpoints)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,  # Lightning's own interval, which nothing here uses; a longer one makes it warn
        )
        return take_steps(trainer, training, Steps(batches.share(rank(), launch.ranks), done, plan.steps))


def take_steps(trainer: Trainer, training: Training, steps: Steps) -> dict[str, Tensor]:
    """Let Lightning take the steps, and put its errors in terms of stages; the weights after them."""
    try:
        trainer.fit(training, steps)
        return training.learnt()
    except SystemExit as end:  # Lightning exits by itself, with code 1 after Ctrl-C and 0 after SIGTERM
        end_others(trainer)
        if not trainer.is_global_zero:  # the first says how the stage has ended
            sys.exit(0)
        raise KeyboardInterrupt from end
    except BaseException as error:  # whatever ends this rank, the others would wait for it
        end_others(trainer)
        leave_group()
        lost = lost_rank(error) if isinstance(error, RuntimeError) else None
        if lost is None:
            raise
        raise lost from error


def train_model(
    model: Transformer | ScalarModel,
    batches: Batches,
    objective: Objective,
    validate: Validate,
    plan: Plan,
    checkpoints: Path,
    logger: Logger | None,
    launch: LaunchSettings = ALONE,
) -> Result:
    """Train `model` in place by the plan; continues from the newest whole state in `checkpoints`.

    The result is the same, bit for bit on a processor, however often the run was interrupted; on another number of
    ranks it is so up to rounding. Ranks but the first do not return: they exit.
    """
    torch.set_num_threads(max(torch.get_num_threads() // launch.processes, 1))
    training = Training(model, objective, validate, plan, batches.names)
    state = newest_state(checkpoints)
    if state is not None:
        training.restore(state)
        if logger is not None:  # its writer may have been killed too, before it wrote them all
            for row in training.progression.rows:
                logger.log_metrics(row, int(row["step"]))
    del state  # as large as all that it was restored into
    if training.progression.step < plan.steps:
        weights = fit(training, batches, checkpoints, logger, launch)
        if training.is_sharded and rank() == 0:
            training.model = model
            training.load_learnt(weights)
    if rank() > 0:
        sys.exit(0)
    return kept(training)


def kept(training: Training) -> Result:
    """Give the model the weights that the plan chooses, and sum up."""
    progression, key = training.progression, training.plan.choose_by
    validations = progression.validations
    if key is None or progression.best is None:
        chosen = validations[-1]
    else:
        chosen = min(validations, key=lambda row: (row[key], -row["step"]))
        training.load_learnt(progression.best)
    return Result(progression.rows, validations[0], chosen)

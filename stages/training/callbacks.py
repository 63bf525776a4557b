"""What happens around the steps: figures noted down, progress shown, states written."""

import sys
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from stages.cluster.ending import note_requests
from stages.progress import Progress, resident_memory
from stages.training.module import Training
from stages.training.ranks import require_same_step
from stages.training.resumption import write_state
from stages.training.throughput import Throughput


def waited(trainer: Trainer) -> float:
    """Seconds that steps have waited for their batches."""
    return float(cast(Any, trainer.train_dataloader).seconds)


def peak_memory(device: torch.device) -> float:
    """The most memory that was held at a time, in MiB: on the accelerator, or by this process."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else resident_memory()


class Recorder(Callback):
    """Adds rows to the curves and passes them to the logger; between rows it costs next to nothing.

    Without a progress line, which the first rank alone has, it does no more than to validate with the others.
    """

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress

    def on_train_start(self, trainer: Trainer, training: Training) -> None:  # type: ignore[override]
        """Validate the starting weights where they will be trained; start the clock, which no output depends on."""
        if not training.progression.validations:
            self.validate(training)
        self.throughput = Throughput(training.model, trainer.logger is not None, trainer.world_size)
        self.throughput.start(training.progression.tokens, waited(trainer))

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, training: Training, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Validate and note down where it is due."""
        progression, loop = training.progression, training.plan.loop
        step = progression.step
        validated = step % loop.validation_steps == 0 or step == training.plan.steps
        if validated or step % loop.log_steps == 0:
            speed = self.throughput.figures(progression.tokens, waited(trainer))
            if validated:
                self.validate(training)
            if self.progress is not None:
                self.note(trainer, training, self.progress, speed)
            self.throughput.start(progression.tokens, waited(trainer))
        training.is_whole = True

    def validate(self, training: Training) -> None:
        """On the first rank alone, or on all of them where each holds a part of the weights."""
        if self.progress is not None or training.is_sharded:
            training.run_validation()

    def note(self, trainer: Trainer, training: Training, progress: Progress, speed: dict[str, float]) -> None:
        """Add a row to the curves, and pass it on."""
        row, step = training.add_row(), training.progression.step
        if trainer.logger is not None:
            memory = {"peak_memory_mebibytes": peak_memory(training.device)}
            trainer.logger.log_metrics(row | speed | memory, step)
        progress.update(step, loss=row["loss"], learning_rate=row["learning_rate"], **speed)


class Resumption(Callback):
    """Writes states that `train_model` continues from, and ends a run that is asked to.

    One process ends wherever it is. Several end together, after a step before which any of them was asked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: Trainer, training: Training) -> None:  # type: ignore[override]
        """Of several ranks: see that they go on from the same state, and from here on note requests to end down."""
        if trainer.world_size > 1:
            require_same_step(training.progression.step, training.device)
            note_requests()

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, training: Training, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write one every `checkpoint_steps`, and one at the end that a rank was asked for."""
        step = training.progression.step
        if step % training.plan.loop.checkpoint_steps == 0 or training.is_ending:
            self.write(trainer, training)
        if training.is_ending:
            sys.exit()  # a KeyboardInterrupt needs a main thread in Lightning, which Ray's workers are not

    def write(self, trainer: Trainer, training: Training) -> None:
        """Write the state, which all ranks put together if it is sharded, from the first."""
        state = training.state() if training.is_sharded or trainer.is_global_zero else {}
        if trainer.is_global_zero:
            write_state(self.folder, training.progression.step, state)

    def on_exception(self, trainer: Trainer, training: LightningModule, exception: BaseException) -> None:
        """Write one when the only process is asked to end, unless the weights are just being changed or none any more.

        Several ranks have written theirs when they end.
        """
        asked = isinstance(exception, KeyboardInterrupt | SystemExit) and trainer.world_size == 1
        if not (asked and isinstance(training, Training) and training.is_whole):
            return
        progression = training.progression
        if progression.step and not progression.averages.unsound():
            self.write(trainer, training)

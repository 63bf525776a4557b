"""What happens around the steps: figures noted down, progress shown, states written."""

from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from stages.progress import Progress, resident_memory
from stages.training.module import Training
from stages.training.resumption import write_state
from stages.training.throughput import Throughput


def waited(trainer: Trainer) -> float:
    """Seconds that steps have waited for their batches."""
    return float(cast(Any, trainer.train_dataloader).seconds)


def peak_memory(device: torch.device) -> float:
    """The most memory that was held at a time, in MiB: on the accelerator, or by this process."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else resident_memory()


class Recorder(Callback):
    """Adds rows to the curves and passes them to the logger; between rows it costs next to nothing."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_start(self, trainer: Trainer, training: Training) -> None:  # type: ignore[override]
        """Start the clock, which only the logger and the progress line see."""
        self.throughput = Throughput(training.model, measure_peak=trainer.logger is not None)
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
                training.run_validation()
            row = training.add_row()
            if trainer.logger is not None:
                memory = {"peak_memory_mebibytes": peak_memory(training.device)}
                trainer.logger.log_metrics(row | speed | memory, step)
            self.progress.update(step, loss=row["loss"], learning_rate=row["learning_rate"], **speed)
            self.throughput.start(progression.tokens, waited(trainer))
        training.is_whole = True


class Resumption(Callback):
    """Writes states that `train_model` continues from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, training: Training, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write one every `checkpoint_steps`."""
        step = training.progression.step
        if step % training.plan.loop.checkpoint_steps == 0:
            write_state(self.folder, step, training.state())

    def on_exception(self, trainer: Trainer, training: LightningModule, exception: BaseException) -> None:
        """Write one when the run is asked to end, unless the weights are just being changed or are none any more."""
        asked = isinstance(exception, KeyboardInterrupt | SystemExit)
        if not (asked and isinstance(training, Training) and training.is_whole):
            return
        progression = training.progression
        if progression.step and not progression.averages.unsound():
            write_state(self.folder, progression.step, training.state())

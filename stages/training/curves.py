"""The figures of a run over its steps: averaged between rows, kept in the run's state, written as CSV."""

import csv
import math
from pathlib import Path

import torch
from torch import Tensor

from stages.errors import ExitCode, StageError

Row = dict[str, float]


class Averages:
    """Loss and gradient norm since the last row, added up as tensors so that no step waits for a number."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what was added."""
        self.loss = torch.zeros(())
        self.weight = 0.0
        self.gradient_norm = torch.zeros(())
        self.steps = 0

    def add(self, loss: Tensor, weight: float, gradient_norm: Tensor) -> None:
        """Add a step: its summed loss, what that is a sum over, and the norm of its gradient."""
        self.loss = self.loss + loss.detach()
        self.weight += weight
        self.gradient_norm = self.gradient_norm + gradient_norm.detach()
        self.steps += 1

    def row(self) -> Row:
        """The averages as numbers; StageError if they are none, because then the run is lost."""
        loss = self.loss.item() / self.weight
        norm = self.gradient_norm.item() / self.steps
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise StageError(
                ExitCode.CONFIGURATION,
                "training diverged",
                f"loss {loss}, gradient norm {norm}",
                "Lower learning_rate or raise schedule.warmup_share.",
            )
        return {"loss": loss, "gradient_norm": norm}


def write_curves(path: Path, rows: list[Row]) -> None:
    """One line per row; six significant digits are more than a plot or a comparison needs."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["step"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

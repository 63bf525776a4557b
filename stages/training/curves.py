"""The figures of a run over its steps: averaged between rows, kept in the run's state, written as CSV."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Row = dict[str, float]

WINDOW, DEVIATIONS, FEWEST = 1000, 7.0, 10


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
        self.sound = torch.zeros((), dtype=torch.int64)

    def add(self, loss: Tensor, weight: float, gradient_norm: Tensor) -> None:
        """Add a step: its summed loss, what that is a sum over, and the norm of its gradient."""
        is_sound = torch.isfinite(loss.detach()) & torch.isfinite(gradient_norm.detach())
        self.sound = self.sound + (is_sound & (self.sound == self.steps))
        self.loss = self.loss + loss.detach()
        self.weight += weight
        self.gradient_norm = self.gradient_norm + gradient_norm.detach()
        self.steps += 1

    def unsound(self) -> int | None:
        """How many steps ago the first was whose loss or gradient is no number; None if there is none."""
        return self.steps - int(self.sound) or None

    def row(self) -> Row:
        """The averages as numbers."""
        return {"loss": self.loss.item() / self.weight, "gradient_norm": self.gradient_norm.item() / self.steps}


def spikes(values: Sequence[float]) -> int:
    """How many values stand far above the mean of those before them: what OLMo 2 counts as spikes of a loss.

    2 OLMo 2 Furious (https://arxiv.org/abs/2501.00656): seven deviations, over the last thousand. The first values, of
    which a mean would say little, are none.
    """
    count = 0
    for place in range(FEWEST, len(values)):
        before = values[max(place - WINDOW, 0) : place]
        count += bool(values[place] > np.mean(before) + DEVIATIONS * np.std(before))
    return count


def write_curves(path: Path, rows: list[Row]) -> None:
    """One line per row; six significant digits are more than a plot or a comparison needs."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["step"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

"""Which of two models answers better, prompt by prompt."""

import numpy as np

from stages.scoring.intervals import Figure, Resampling, mean


def wins(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 where the first scores higher, 0 where the second does, one half where they are equal."""
    return (np.sign(first - second) + 1) / 2


def win_rate(first: np.ndarray, second: np.ndarray, resampling: Resampling) -> Figure:
    """Share of prompts that the first model wins, ties half, drawn again by prompt."""
    return mean(wins(first, second), resampling, "prompts")

"""Figures with their intervals: the percentile bootstrap (Efron 1979) and Wilson's interval for shares.

Every statistic here is a function of sums over units (documents, prompts, items), so a resample is a vector of sums.
Results that belong to one unit (the pairs of a prompt, the tokens of a document) are added up first: units are what is
drawn again, never their parts.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from pydantic import Field

from stages.parameters import Section
from stages.seeding import generator

BLOCK = 1 << 20
"""Drawn indices held at once."""


class Resampling(Section):
    """How intervals are drawn."""

    resamples: int = Field(gt=0)
    """Bootstrap resamples."""
    confidence: float = Field(gt=0, lt=1)
    """Share of resamples inside an interval, 0 to 1."""
    seed: int
    """Seed of the resamples; equal numbers of units are drawn alike, so that figures of one set stay comparable."""


@dataclass(frozen=True)
class Figure:
    """A measured value and the interval around it; null where there was nothing to measure."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    over: str
    """What the n units are."""
    method: Literal["bootstrap", "wilson", "single"]
    """`single` stands for a figure without repetition, which has no interval."""


Statistic = Callable[[np.ndarray], np.ndarray]
"""Sums [..., columns] to values [...]."""


def resampled_sums(columns: np.ndarray, resampling: Resampling, stream: int = 0) -> np.ndarray:
    """Sums [resamples, columns] of units [n, columns] drawn n at a time with replacement."""
    units = len(columns)
    draws = generator(resampling.seed, "bootstrap", units, stream)
    block = max(1, BLOCK // units)
    return np.concatenate(
        [
            columns[draws.integers(0, units, (min(block, resampling.resamples - start), units))].sum(axis=1)
            for start in range(0, resampling.resamples, block)
        ]
    )


def _figure(value: float, drawn: np.ndarray, n: int, over: str, confidence: float) -> Figure:
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Figure(_rounded(value), _rounded(low), _rounded(high), n, over, "bootstrap")


def _rounded(value: float) -> float:
    """Six digits after the point: more would be rounding noise of the machine."""
    return round(float(value), 6)


def unmeasured(over: str) -> Figure:
    """The figure of an empty set."""
    return Figure(None, None, None, 0, over, "bootstrap")


def single(value: float, n: int, over: str) -> Figure:
    """A figure without an interval."""
    return Figure(_rounded(value), None, None, n, over, "single")


def bootstrap(columns: np.ndarray, statistic: Statistic, resampling: Resampling, over: str) -> Figure:
    """`statistic` of the sums of units [n, columns]; a resample that leaves it undefined is left out."""
    if len(columns) == 0:
        return unmeasured(over)
    columns = np.asarray(columns, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(columns.sum(axis=0)))
        drawn = statistic(resampled_sums(columns, resampling))
    if not math.isfinite(value):
        return unmeasured(over)
    return _figure(value, drawn[np.isfinite(drawn)], len(columns), over, resampling.confidence)


def mean(values: Sequence[float] | np.ndarray, resampling: Resampling, over: str) -> Figure:
    """The mean over units; of paired differences, the mean difference."""
    values = np.asarray(values, dtype=np.float64)
    return ratio(values, np.ones_like(values), resampling, over)


def ratio(numerators: np.ndarray, denominators: np.ndarray, resampling: Resampling, over: str) -> Figure:
    """Sum over sum: bits per byte over documents, accuracy over the pairs of prompts."""
    return bootstrap(np.stack([numerators, denominators], axis=-1), ratio_of_first_two, resampling, over)


def ratio_difference(
    first: np.ndarray, second: np.ndarray, denominators: np.ndarray, resampling: Resampling, over: str
) -> Figure:
    """The paired difference of two ratios with the same denominators, first minus second."""
    columns = np.stack([first, second, denominators], axis=-1)
    return bootstrap(columns, lambda sums: (sums[..., 0] - sums[..., 1]) / sums[..., 2], resampling, over)


def relative_change(first: np.ndarray, second: np.ndarray, resampling: Resampling, over: str) -> Figure:
    """How much larger the paired sum of `first` is than that of `second`, as a share of it."""
    columns = np.stack([first, second], axis=-1)
    return bootstrap(columns, lambda sums: sums[..., 0] / sums[..., 1] - 1, resampling, over)


def difference_between_groups(
    first: np.ndarray, second: np.ndarray, resampling: Resampling, over: str, statistic: Statistic | None = None
) -> Figure:
    """A statistic of one set of units minus that of another, each drawn again by itself; n counts both.

    Sets are [n] (whose means are compared), or [n, columns] with a `statistic` of the columns' sums.
    """
    groups = [np.asarray(group, dtype=np.float64) for group in (first, second)]
    if min(map(len, groups)) == 0:
        return unmeasured(over)
    if statistic is None:
        groups = [np.stack([group, np.ones_like(group)], axis=-1) for group in groups]
        statistic = ratio_of_first_two
    values = [float(statistic(group.sum(axis=0))) for group in groups]
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = [statistic(resampled_sums(group, resampling, stream)) for stream, group in enumerate(groups, start=1)]
    differences = drawn[0] - drawn[1]
    differences = differences[np.isfinite(differences)]
    return _figure(values[0] - values[1], differences, sum(map(len, groups)), over, resampling.confidence)


def ratio_of_first_two(sums: np.ndarray) -> np.ndarray:
    """The first column's sum over the second's."""
    return sums[..., 0] / sums[..., 1]


def wilson(successes: int, n: int, confidence: float, over: str) -> Figure:
    """A share of independent units with Wilson's score interval (Wilson 1927), which holds near 0 and 1 too."""
    if n == 0:
        return Figure(None, None, None, 0, over, "wilson")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Figure(
        _rounded(share), _rounded(max(0.0, centre - half)), _rounded(min(1.0, centre + half)), n, over, "wilson"
    )


def share(flags: Sequence[bool], resampling: Resampling, over: str) -> Figure:
    """The share of true flags, one per unit."""
    return wilson(sum(map(bool, flags)), len(flags), resampling.confidence, over)

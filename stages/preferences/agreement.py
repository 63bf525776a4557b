"""How far judges agree on pairs, rankings and ratings, and the ceiling that this sets a reward model."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from stages.seeding import generator

Ranks = Sequence[float]
"""One judge's ranks of some answers, 1 for the best; equal numbers are ties."""


def pair_counts(rankings: Sequence[Ranks]) -> tuple[int, int]:
    """Over pairs of judges and pairs of answers that both order strictly: how often they agree, and of how many."""
    agreeing = compared = 0
    for first, second in combinations(rankings, 2):
        for left, right in combinations(range(len(first)), 2):
            product = (first[left] - first[right]) * (second[left] - second[right])
            agreeing += product > 0
            compared += product != 0
    return agreeing, compared


def ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], draws: int, confidence: float, *key: object
) -> tuple[float, float, float]:
    """A ratio of sums with its percentile bootstrap interval over clusters (here prompts); NaN where nothing counts."""
    top, bottom = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if bottom.sum() == 0:
        return math.nan, math.nan, math.nan
    chosen = generator("bootstrap", *key).integers(0, len(top), size=(draws, len(top)))
    sums = bottom[chosen].sum(axis=1)
    ratios = (top[chosen].sum(axis=1) / np.where(sums == 0, np.nan, sums))[sums > 0]
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(top.sum() / bottom.sum()), float(low), float(high)


def ceiling(agreement: float) -> float:
    """The best accuracy against one judge's labels if two judges agree with this probability and err alike.

    If each label is right with probability p, two agree with p^2 + (1 - p)^2; solved for p. NaN below one half, where
    no such p exists.
    """
    return (1 + math.sqrt(2 * agreement - 1)) / 2 if agreement >= 0.5 else math.nan


def krippendorff_alpha(ratings: np.ndarray) -> float:
    """Krippendorff's alpha with the ordinal distance (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    `ratings` is [judges, units], NaN where a judge gave none. 1 is perfect agreement, 0 what chance gives; NaN if no
    unit has two ratings or all ratings are the same.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    if len(values) < 2:
        return math.nan
    counts = np.stack([(ratings == value).sum(axis=0) for value in values], axis=1).astype(float)  # [units, values]
    counts = counts[counts.sum(axis=1) >= 2]
    if len(counts) == 0:
        return math.nan
    judged = counts.sum(axis=1, keepdims=True)
    coincidences = (counts / (judged - 1)).T @ counts - np.diag((counts / (judged - 1)).sum(axis=0))
    totals = coincidences.sum(axis=1)
    number = totals.sum()
    # The distance of two ranks: the ratings that lie between them, those of the two themselves counted half.
    passed = np.cumsum(totals) - totals / 2
    distance = (passed[:, None] - passed[None, :]) ** 2
    expected = (np.outer(totals, totals) * distance).sum() / (number - 1)
    return float(1 - (coincidences * distance).sum() / expected) if expected > 0 else math.nan


def kendall_tau_b(first: Ranks, second: Ranks) -> float:
    """Kendall's tau-b of two rankings, corrected for ties (Kendall 1945); NaN if one of them ties everything."""
    pairs = list(combinations(range(len(first)), 2))
    signs = [(np.sign(first[left] - first[right]), np.sign(second[left] - second[right])) for left, right in pairs]
    untied = math.sqrt(sum(a != 0 for a, _ in signs) * sum(b != 0 for _, b in signs))
    return float(sum(a * b for a, b in signs) / untied) if untied else math.nan


def kendall_w(rankings: Sequence[Ranks]) -> float:
    """Kendall's coefficient of concordance, corrected for ties (Kendall and Smith 1939); NaN if all tie everything.

    Ranks may skip or repeat numbers: each judge's are replaced by mid-ranks first.
    """
    ranks = np.stack([_mid_ranks(ranking) for ranking in rankings])
    judges, answers = ranks.shape
    spread = ((ranks.sum(axis=0) - judges * (answers + 1) / 2) ** 2).sum()
    ties = sum(float((count**3 - count).sum()) for count in (np.unique(row, return_counts=True)[1] for row in ranks))
    largest = judges**2 * (answers**3 - answers) - judges * ties
    return float(12 * spread / largest) if largest > 0 else math.nan


def _mid_ranks(ranking: Ranks) -> np.ndarray:
    values = np.asarray(ranking, dtype=float)
    below = (values[None, :] < values[:, None]).sum(axis=1)
    same = (values[None, :] == values[:, None]).sum(axis=1)
    return below + (same + 1) / 2


def votes(rankings: Sequence[Ranks]) -> tuple[tuple[float, ...], ...]:
    """votes[i][j]: the share of judges, ties counted half, who put answer i above answer j; 0 on the diagonal."""
    ranks = np.asarray(rankings, dtype=float)
    better = (ranks[:, :, None] < ranks[:, None, :]).mean(axis=0)
    tied = (ranks[:, :, None] == ranks[:, None, :]).mean(axis=0)
    shares = better + tied / 2
    np.fill_diagonal(shares, 0.0)
    return tuple(tuple(round(float(share), 6) for share in row) for row in shares)


def majority_counts(rankings: Sequence[Ranks], judge: int) -> tuple[int, int]:
    """Over the pairs that a judge orders and the others have a majority on: how often they agree, and of how many."""
    others = votes([ranking for place, ranking in enumerate(rankings) if place != judge])
    agreeing = compared = 0
    for left, right in combinations(range(len(rankings[judge])), 2):
        own = np.sign(rankings[judge][right] - rankings[judge][left])
        theirs = np.sign(others[left][right] - others[right][left])
        agreeing += own * theirs > 0
        compared += own * theirs != 0
    return int(agreeing), int(compared)

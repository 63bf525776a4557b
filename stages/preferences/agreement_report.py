"""The figures of `agreement.json`: how far the judges agree, who they are, and the biases to look for."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.preferences.aggregation import Group
from stages.preferences.agreement import (
    ceiling,
    kendall_tau_b,
    kendall_w,
    krippendorff_alpha,
    majority_counts,
    pair_counts,
    ratio_interval,
)
from stages.preferences.records import AXES, Judgement


def _number(value: float) -> float | None:
    """Rounded; null for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(value, 4)


def _ratio(counts: Sequence[tuple[float, float]], draws: int, confidence: float, *key: object) -> dict[str, Any]:
    value, low, high = ratio_interval(
        [top for top, _ in counts], [bottom for _, bottom in counts], draws, confidence, *key
    )
    total = float(sum(bottom for _, bottom in counts))
    return {"value": _number(value), "low": _number(low), "high": _number(high), "n": total, "prompts": len(counts)}


def _alpha(groups: Sequence[Group], axis: str) -> float:
    """Alpha over all answers: one row for each annotator, one column for each answer."""
    judges = sorted({judgement.annotator for group in groups for judgement in group.judgements})
    columns = []
    for group in groups:
        column = np.full((len(judges), len(group.answers)), np.nan)
        for judgement, marks in zip(group.judgements, group.ratings(axis), strict=True):
            column[judges.index(judgement.annotator)] = marks
        columns.append(column)
    return krippendorff_alpha(np.concatenate(columns, axis=1))


def _tau(group: Group) -> list[float]:
    rankings = group.rankings
    return [kendall_tau_b(first, second) for place, first in enumerate(rankings) for second in rankings[place + 1 :]]


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return _number(float(np.mean(known))) if known else None


def _first_wins(judgement: Judgement) -> tuple[float, float]:
    """Wins of the answer shown first against the others, ties half, and their number."""
    first, *others = judgement.ranks
    return sum((first < other) + 0.5 * (first == other) for other in others), len(others)


def _longer_wins(judgement: Judgement) -> tuple[float, float]:
    """Wins of the longer of two answers of different length, ties half, and their number."""
    lengths = [len(answer.text) for answer in judgement.answers]
    pairs = [
        (left, right) for left, length in enumerate(lengths) for right, other in enumerate(lengths) if length > other
    ]
    ranks = judgement.ranks
    return sum((ranks[a] < ranks[b]) + 0.5 * (ranks[a] == ranks[b]) for a, b in pairs), len(pairs)


def _ratings_disagree(group: Group) -> tuple[float, float]:
    """Pairs that a judge ranks one way and rates, by the mean of the axes, the other way; and pairs ordered by both."""
    opposed = compared = 0
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # the mean of an answer that nobody rated
        means = np.nanmean(np.stack([group.ratings(axis) for axis in AXES]), axis=0)
    for ranks, marks in zip(np.array(group.rankings), means, strict=True):
        product = (ranks[:, None] - ranks[None, :]) * (marks[None, :] - marks[:, None])
        product = product[np.triu_indices(len(ranks), 1)]
        opposed += int((product < 0).sum())
        compared += int((np.nan_to_num(product) != 0).sum())
    return opposed, compared


def _annotators(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Each annotator's agreement with the majority of the others: outliers show here."""
    counts: dict[str, list[int]] = {}
    for group in groups:
        rankings = group.rankings
        for place, judgement in enumerate(group.judgements):
            agreeing, compared = majority_counts(rankings, place) if len(rankings) > 1 else (0, 0)
            entry = counts.setdefault(judgement.annotator, [0, 0, 0])
            counts[judgement.annotator] = [entry[0] + 1, entry[1] + agreeing, entry[2] + compared]
    return [
        {"annotator": name, "judgements": judged, "agreement_with_others": _number(top / n) if n else None, "n": n}
        for name, (judged, top, n) in sorted(counts.items())
    ]


def agreement_report(
    groups: Sequence[Group], sampled: Mapping[str, str], draws: int, confidence: float
) -> dict[str, Any]:
    """Everything that is known about the judges; intervals are bootstrapped over prompts.

    `sampled` has the texts of the current answers by id.
    """
    judgements = [judgement for group in groups for judgement in group.judgements]
    pairs = _ratio([pair_counts(group.rankings) for group in groups], draws, confidence, "pairs")
    agreed = pairs["value"]
    current = sum(group.is_current(sampled) for group in groups)
    return {
        "judgements": len(judgements),
        "prompts": len(groups),
        "judges": len({judgement.annotator for judgement in judgements}),
        "simulated_share": _number(float(np.mean([judgement.simulated for judgement in judgements]))),
        "current_sample_share": _number(current / len(groups)),
        "guideline_hashes": sorted({judgement.guideline_hash for judgement in judgements}),
        "pairwise_agreement": pairs,
        "ceiling": _number(ceiling(agreed)) if agreed is not None else None,
        "alpha": {axis: _number(_alpha(groups, axis)) for axis in AXES},
        "kendall_tau_b": _mean([tau for group in groups for tau in _tau(group)]),
        "kendall_w": _mean([kendall_w(group.rankings) for group in groups if len(group.rankings) > 1]),
        "first_shown_wins": _ratio([_first_wins(one) for one in judgements], draws, confidence, "first"),
        "longer_wins": _ratio([_longer_wins(one) for one in judgements], draws, confidence, "longer"),
        "ratings_against_ranks": _ratio([_ratings_disagree(group) for group in groups], draws, confidence, "ratings"),
        "annotators": _annotators(groups),
    }

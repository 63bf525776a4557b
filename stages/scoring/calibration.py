"""Whether a confidence means what it says."""

from collections.abc import Sequence

import numpy as np

from stages.scoring.intervals import Figure, Resampling, bootstrap

BINS = 10
"""Bins of equal mass, as many as reliability diagrams have had since Guo et al. 2017 (arXiv 1706.04599)."""


def bin_numbers(confidences: np.ndarray) -> np.ndarray:
    """The bin of each confidence, bins as equally filled as the count allows, by rank."""
    ranks = np.empty(len(confidences), dtype=np.int64)
    ranks[np.argsort(confidences, kind="stable")] = np.arange(len(confidences))
    return ranks * BINS // max(len(confidences), 1)


def expected_calibration_error(
    confidences: Sequence[float] | np.ndarray,
    outcomes: Sequence[float] | np.ndarray,
    resampling: Resampling,
    over: str,
    units: np.ndarray | None = None,
) -> Figure:
    """Mean distance of confidence from outcome over the bins, weighted by what they hold (Naeini et al. 2015).

    `units` numbers the unit (0, 1, ...) that each confidence belongs to where a unit has several. Noise within bins
    adds to the error: a perfect model with n items still shows about sqrt(bins / n) / 3.
    """
    confidence, outcome = np.asarray(confidences, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    units = np.arange(len(confidence)) if units is None else units
    columns = np.zeros((int(units.max(initial=-1)) + 1, BINS + 1))
    flat = columns.reshape(-1)
    np.add.at(flat, units * (BINS + 1) + bin_numbers(confidence), confidence - outcome)
    columns[:, BINS] = np.bincount(units)
    return bootstrap(columns, lambda sums: np.abs(sums[..., :BINS]).sum(-1) / sums[..., BINS], resampling, over)


def reliability(
    confidences: Sequence[float] | np.ndarray, outcomes: Sequence[float] | np.ndarray
) -> list[dict[str, float]]:
    """Mean confidence, mean outcome and size of each bin that holds anything."""
    confidence, outcome = np.asarray(confidences, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    numbers = bin_numbers(confidence)
    return [
        {
            "confidence": round(float(confidence[numbers == number].mean()), 6),
            "outcome": round(float(outcome[numbers == number].mean()), 6),
            "n": int((numbers == number).sum()),
        }
        for number in np.unique(numbers)
    ]

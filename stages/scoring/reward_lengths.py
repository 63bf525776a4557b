"""How far a reward agrees with the judges, and how much of that is the length of answers (Singhal et al. 2023)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.preferences.records import Preference
from stages.scoring.intervals import Resampling, ratio
from stages.scoring.pairs import Pair, agreements, per_unit, ranked_pairs


def length_slices(pairs: Sequence[Pair], right: np.ndarray, lengths: np.ndarray) -> dict[str, float]:
    """Accuracy in the thirds of pairs by mean answer length."""
    order = np.argsort([lengths[pair.better] + lengths[pair.worse] for pair in pairs], kind="stable")
    thirds = zip(("short", "medium", "long"), np.array_split(right[order], 3), strict=True)
    return {f"test_pair_accuracy_{name}": float(third.mean()) for name, third in thirds if len(third)}


def reward_and_length(
    preferences: Sequence[Preference], rewards: np.ndarray, resampling: Resampling
) -> dict[str, float]:
    """How often rewards agree with the judges, beside what length alone achieves; intervals over prompts."""
    pairs = ranked_pairs(preferences)
    lengths = np.array([len(answer.token_ids) for one in preferences for answer in one.answers])
    right = agreements(pairs, rewards)
    units = len(preferences)
    counted = per_unit(pairs, np.ones(len(pairs)), units)
    accuracy = ratio(per_unit(pairs, right, units), counted, resampling, "prompts")
    longer = ratio(per_unit(pairs, agreements(pairs, lengths), units), counted, resampling, "prompts")
    figures = {
        "test_pair_accuracy": accuracy.value,
        "test_pair_accuracy_low": accuracy.low,
        "test_pair_accuracy_high": accuracy.high,
        "longer_is_better_accuracy": longer.value,
        "test_length_correlation": pd.Series(rewards).rank().corr(pd.Series(lengths).rank()),
        **length_slices(pairs, right, lengths),
    }
    return {name: round(float(value), 6) for name, value in figures.items() if value is not None}

"""Agreement statistics equal published or hand-worked values."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from stages.preferences.agreement import (
    ceiling,
    kendall_tau_b,
    kendall_w,
    krippendorff_alpha,
    majority_counts,
    pair_counts,
    ratio_interval,
    votes,
)


def test_pairs_that_both_order_are_counted():
    # Pairs of the first: 1<2, 1<3, 2<3. The second ties the first pair and turns the last.
    assert pair_counts([[1, 2, 3], [1, 1, 3]]) == (2, 2)
    assert pair_counts([[1, 2, 3], [1, 3, 2]]) == (2, 3)


def test_the_ceiling_solves_p_squared_plus_one_minus_p_squared():
    assert ceiling(0.726) == pytest.approx(0.836, abs=5e-4)
    assert ceiling(1.0) == 1.0
    p = ceiling(0.7)
    assert p**2 + (1 - p) ** 2 == pytest.approx(0.7)
    assert math.isnan(ceiling(0.4))


def test_krippendorff_alpha_of_the_published_example():
    # Krippendorff (2011), section D: four observers, twelve units; ordinal alpha is 0.815.
    nan = np.nan
    ratings = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    )
    assert krippendorff_alpha(ratings) == pytest.approx(0.815, abs=5e-4)


def test_alpha_is_one_for_equal_ratings_and_undefined_for_one_value():
    assert krippendorff_alpha(np.array([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]])) == pytest.approx(1.0)
    assert math.isnan(krippendorff_alpha(np.array([[3.0, 3.0], [3.0, 3.0]])))


def test_alpha_of_answers_that_nobody_rated_is_undefined():
    assert math.isnan(krippendorff_alpha(np.full((2, 3), np.nan)))


def test_tau_b_equals_scipy():
    draw = np.random.default_rng(0)
    for _ in range(20):
        first, second = draw.integers(1, 5, size=(2, 6))
        assert kendall_tau_b(first, second) == pytest.approx(kendalltau(first, second).statistic, nan_ok=True)


def test_w_of_hand_worked_rankings():
    assert kendall_w([[1, 2, 3, 4]] * 3) == pytest.approx(1.0)
    assert kendall_w([[1, 2, 3], [3, 2, 1]]) == pytest.approx(0.0)
    # Rank sums 4, 5, 9 around 6: S = 14; W = 12 * 14 / (9 * 24).
    assert kendall_w([[1, 2, 3], [1, 2, 3], [2, 1, 3]]) == pytest.approx(12 * 14 / (9 * 24))
    # Mid-ranks 1.5, 1.5, 3 and 1, 2, 3: sums 2.5, 3.5, 6 around 4, S = 6.5; ties take 2 * 6 from 4 * 24.
    assert kendall_w([[1, 1, 3], [1, 2, 3]]) == pytest.approx(12 * 6.5 / (4 * 24 - 2 * 6))


def test_votes_count_ties_half():
    assert votes([[1, 2], [1, 1], [2, 1]]) == ((0.0, 0.5), (0.5, 0.0))
    assert votes([[1, 2], [1, 2], [1, 1]])[0][1] == pytest.approx(5 / 6, abs=1e-6)


def test_a_judge_is_held_against_the_majority_of_the_others():
    rankings = [[1, 2, 3], [1, 2, 3], [3, 2, 1]]
    assert majority_counts(rankings, 2) == (0, 3)
    assert majority_counts(rankings, 0) == (0, 0)  # the other two have no majority on any pair


def test_a_ratio_lies_in_its_interval_and_clusters_are_kept():
    value, low, high = ratio_interval([3, 1, 2, 4], [4, 4, 4, 4], 500, 0.95, "key")
    assert value == pytest.approx(10 / 16)
    assert 0.25 <= low < value < high <= 1.0
    assert ratio_interval([2, 2], [4, 4], 100, 0.95, "key") == (0.5, 0.5, 0.5)
    assert math.isnan(ratio_interval([0], [0], 10, 0.95, "key")[0])

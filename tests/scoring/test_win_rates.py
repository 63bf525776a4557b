import numpy as np

from stages.scoring.win_rates import win_rate, wins


def test_ties_are_half_a_win():
    assert wins(np.array([0.9, 0.2, 0.5]), np.array([0.1, 0.4, 0.5])).tolist() == [1, 0, 0.5]


def test_the_win_rates_of_both_sides_sum_to_one(draw, resampling):
    first, second = draw.integers(0, 4, size=(2, 50))
    ours, theirs = win_rate(first, second, resampling), win_rate(second, first, resampling)
    assert ours.value + theirs.value == 1
    assert ours.n == 50
    assert ours.low <= ours.value <= ours.high

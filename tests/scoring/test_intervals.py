import numpy as np
import pytest

from stages.scoring.intervals import (
    Resampling,
    difference_between_groups,
    mean,
    ratio,
    ratio_difference,
    relative_change,
    resampled_sums,
    share,
    unmeasured,
    wilson,
)


def test_wilson_matches_the_worked_example_of_one_success_in_ten():
    # z = 1.959964, z^2 = 3.841459: centre (0.1 + 0.192073) / 1.384146, half width 1.416012 * sqrt(0.009 + 0.009604).
    figure = wilson(1, 10, 0.95, "prompts")
    assert (figure.value, figure.n) == (0.1, 10)
    assert figure.low == pytest.approx(0.017876, abs=1e-5)
    assert figure.high == pytest.approx(0.404150, abs=1e-5)


def test_wilson_stays_inside_zero_and_one():
    none, all_of_them = wilson(0, 20, 0.95, "prompts"), wilson(20, 20, 0.95, "prompts")
    assert none.low == 0.0
    assert none.high == pytest.approx(3.841459 / 23.841459, abs=1e-5)
    assert all_of_them.high == 1.0


def test_empty_sets_give_a_figure_without_values(resampling):
    assert mean([], resampling, "prompts") == unmeasured("prompts")
    assert share([], resampling, "prompts").value is None
    assert difference_between_groups(np.array([]), np.array([1.0]), resampling, "prompts") == unmeasured("prompts")


def test_the_mean_of_equal_values_has_no_width(resampling):
    figure = mean([0.25] * 7, resampling, "prompts")
    assert (figure.value, figure.low, figure.high, figure.n) == (0.25, 0.25, 0.25, 7)


def test_the_bootstrap_interval_of_a_mean_is_as_wide_as_the_normal_one(draw):
    values = draw.normal(3.0, 2.0, size=400)
    figure = mean(values, Resampling(resamples=4000, confidence=0.95, seed=3), "documents")
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert figure.low == pytest.approx(values.mean() - half, abs=0.02)
    assert figure.high == pytest.approx(values.mean() + half, abs=0.02)


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios(resampling):
    figure = ratio(np.array([10.0, 90.0]), np.array([10.0, 30.0]), resampling, "documents")
    assert figure.value == 2.5
    assert (figure.low, figure.high) == (1.0, 3.0)  # one of the documents twice


def test_a_paired_difference_that_is_constant_is_certain_where_each_ratio_varies(draw, resampling):
    denominators = np.full(50, 4.0)
    first = draw.uniform(0, 100, size=50)
    figure = ratio_difference(first, first - 2.0, denominators, resampling, "documents")
    assert figure.value == figure.low == figure.high == 0.5


def test_relative_change_is_a_share_of_the_second(resampling):
    assert relative_change(np.array([3.0, 3.3]), np.array([2.0, 4.0]), resampling, "documents").value == 0.05


def test_groups_are_drawn_apart(draw):
    values = draw.normal(size=300)
    figure = difference_between_groups(values, values, Resampling(resamples=2000, confidence=0.95, seed=1), "prompts")
    # Were they drawn alike, every difference would be 0; apart, the variance doubles.
    assert figure.value == 0.0
    assert figure.n == 600
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * values.std() * np.sqrt(2 / 300), rel=0.1)


def test_resamples_depend_on_seed_and_count_alone():
    columns = np.arange(12.0).reshape(6, 2)
    first = resampled_sums(columns, Resampling(resamples=50, confidence=0.9, seed=1))
    assert np.array_equal(first, resampled_sums(columns, Resampling(resamples=50, confidence=0.5, seed=1)))
    assert not np.array_equal(first, resampled_sums(columns, Resampling(resamples=50, confidence=0.9, seed=2)))
    assert np.array_equal(first[:, 1] - first[:, 0], np.full(50, 6.0))  # columns are drawn together


def test_blocks_do_not_change_the_resamples(monkeypatch):
    columns, resampling = np.arange(10.0)[:, None], Resampling(resamples=33, confidence=0.9, seed=1)
    whole = resampled_sums(columns, resampling)
    monkeypatch.setattr("stages.scoring.intervals.BLOCK", 40)
    assert np.array_equal(whole, resampled_sums(columns, resampling))

import numpy as np
import pytest

from stages.scoring.calibration import bin_numbers, expected_calibration_error, reliability


def test_bins_are_equally_filled_by_rank():
    numbers = bin_numbers(np.linspace(1, 0, 40))
    assert np.bincount(numbers).tolist() == [4] * 10
    assert numbers[0] == 9
    assert numbers[-1] == 0


def test_the_error_is_the_weighted_distance_of_confidence_from_outcome(resampling):
    # Ten items make ten bins of one: distances 0.3 (right at 0.7) and 0.9 (wrong at 0.9).
    confidences, outcomes = [0.7] * 5 + [0.9] * 5, [1.0] * 5 + [0.0] * 5
    assert expected_calibration_error(confidences, outcomes, resampling, "items").value == pytest.approx(0.6)


def test_a_calibrated_forecast_shows_only_the_noise_of_its_bins(draw, resampling):
    confidences = draw.uniform(size=5_000)
    outcomes = draw.uniform(size=5_000) < confidences
    assert expected_calibration_error(confidences, outcomes, resampling, "items").value < 0.03


def test_items_of_a_unit_are_drawn_together(draw, resampling):
    confidences = draw.uniform(size=30)
    outcomes = (draw.uniform(size=30) < 0.5).astype(float)
    units = np.repeat(np.arange(10), 3)
    figure = expected_calibration_error(confidences, outcomes, resampling, "prompts", units)
    assert figure.n == 10
    assert figure.value == expected_calibration_error(confidences, outcomes, resampling, "items").value


def test_nothing_to_calibrate_is_not_measured(resampling):
    assert expected_calibration_error([], [], resampling, "items").value is None
    assert reliability([], []) == []


def test_reliability_tells_what_each_bin_holds():
    rows = reliability([0.1, 0.9], [0.0, 1.0])
    assert rows == [{"confidence": 0.1, "outcome": 0.0, "n": 1}, {"confidence": 0.9, "outcome": 1.0, "n": 1}]

import pytest

from stages.training.schedule import ScheduleSettings, learning_rate


def rates(steps: int, warmup: float, decay: float) -> list[float]:
    settings = ScheduleSettings(warmup_share=warmup, decay_share=decay)
    return [learning_rate(step, steps, 1.0, settings) for step in range(steps)]


def test_it_rises_stays_and_falls_in_straight_lines():
    assert rates(10, 0.2, 0.4) == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_without_a_level_part_it_falls_from_the_end_of_the_warm_up():
    assert rates(10, 0.2, 0.8) == pytest.approx([0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_without_warm_up_and_decay_it_is_constant():
    assert rates(5, 0, 0) == [1.0] * 5


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_no_step_is_taken_at_rate_0_however_short_the_run(steps):
    assert min(rates(steps, 0.1, 0.9)) > 0

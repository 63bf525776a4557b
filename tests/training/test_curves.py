import pytest
import torch

from stages.training.curves import Averages, spikes, write_curves


def test_averages_weigh_losses_by_what_they_sum_over():
    averages = Averages()
    averages.add(torch.tensor(6.0), 2, torch.tensor(1.0))
    averages.add(torch.tensor(2.0), 6, torch.tensor(2.0))
    assert averages.row() == {"loss": 1.0, "gradient_norm": 1.5}


@pytest.mark.parametrize(("loss", "norm"), [(float("inf"), 1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_the_first_step_that_is_no_number_is_known(loss, norm):
    averages = Averages()
    assert averages.unsound() is None
    averages.add(torch.tensor(1.0), 2, torch.tensor(1.0))
    assert averages.unsound() is None
    averages.add(torch.tensor(loss), 2, torch.tensor(norm))
    averages.add(torch.tensor(1.0), 2, torch.tensor(1.0))
    assert averages.unsound() == 2
    averages.restart()
    assert averages.unsound() is None


def test_counts_stay_whole_and_figures_have_six_digits(tmp_path):
    write_curves(tmp_path / "curves.csv", [{"step": 10, "tokens": 12_345_678, "loss": 2 / 3}])
    assert (tmp_path / "curves.csv").read_text() == "step,tokens,loss\n10,12345678,0.666667\n"


def test_a_spike_stands_far_above_what_came_before_it():
    falling = [3.0 - 0.01 * step for step in range(60)]
    assert spikes(falling) == 0
    falling[30] += 2.0
    falling[50] += 0.1
    assert spikes(falling) == 1
    assert spikes([1.0] * 5 + [9.0]) == 0
    assert spikes([]) == 0

import pytest
import torch

from stages.errors import StageError
from stages.training.curves import Averages, write_curves


def test_averages_weigh_losses_by_what_they_sum_over():
    averages = Averages()
    averages.add(torch.tensor(6.0), 2, torch.tensor(1.0))
    averages.add(torch.tensor(2.0), 6, torch.tensor(2.0))
    assert averages.row() == {"loss": 1.0, "gradient_norm": 1.5}


def test_a_loss_that_is_no_number_ends_the_run():
    averages = Averages()
    averages.add(torch.tensor(float("inf")), 2, torch.tensor(1.0))
    with pytest.raises(StageError, match="learning_rate"):
        averages.row()


def test_counts_stay_whole_and_figures_have_six_digits(tmp_path):
    write_curves(tmp_path / "curves.csv", [{"step": 10, "tokens": 12_345_678, "loss": 2 / 3}])
    assert (tmp_path / "curves.csv").read_text() == "step,tokens,loss\n10,12345678,0.666667\n"

import math

import numpy as np
import pytest
import torch

from stages.training.batches import all_batches
from stages.training.objectives import next_token_loss
from stages.training.validation import HeldOut, chosen_rows


def test_bits_per_byte_of_a_model_that_knows_nothing(tiny_model, rows):
    """All weights 0 give each of 40 tokens the same chance: ln 40 nats a target, over the bytes of the targets."""
    model = tiny_model()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    token_bytes = np.where(np.arange(40) < 20, 0, 3)  # ids below 20 as control tokens: they cost, but are no bytes
    held_out = HeldOut("validation", all_batches(rows, np.arange(12), 5), token_bytes)
    figures = held_out(model)
    targets = np.concatenate([rows.tokens[:, 1:7].ravel(), rows.tokens[:, 8:15].ravel()])
    size = 3 * int((targets >= 20).sum())
    assert figures["validation_loss"] == pytest.approx(math.log(40))
    assert figures["validation_bits_per_byte"] == pytest.approx(len(targets) * math.log2(40) / size)


def test_the_loss_is_the_training_objective_per_target(tiny_model, rows):
    model, batches = tiny_model(), all_batches(rows, np.arange(12), 4)
    trained = sum(next_token_loss(model, batch).item() for batch in batches) / sum(batch.weight for batch in batches)
    assert HeldOut("x", batches, np.ones(40))(model)["x_loss"] == pytest.approx(trained, rel=1e-5)


def test_rows_are_chosen_by_the_seed_and_no_more_than_there_are():
    assert chosen_rows(5, 9, seed=1).tolist() == [0, 1, 2, 3, 4]
    few = chosen_rows(100, 10, seed=1)
    assert few.tolist() == sorted(set(few.tolist()))
    assert len(few) == 10
    assert few.tolist() == chosen_rows(100, 10, seed=1).tolist() != chosen_rows(100, 10, seed=2).tolist()

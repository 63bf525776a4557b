"""Pretraining text as an auxiliary loss."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from stages.model.transformer import Transformer
from stages.reinforcement.pretraining import PretrainingSettings, pretraining_loss
from stages.text.shards import TokenRows

ROWS = np.random.default_rng(0).integers(6, 31, (5, 17)).astype(np.uint16)
TOKENS = TokenRows(ROWS, np.ones_like(ROWS), pd.DataFrame())


def test_a_coefficient_of_zero_reads_nothing(model: Transformer) -> None:
    assert pretraining_loss(model, TOKENS, PretrainingSettings(coefficient=0.0, rows=5), seed=1) is None


def test_the_loss_is_the_weighted_mean_per_token(model: Transformer) -> None:
    loss = pretraining_loss(model, TOKENS, PretrainingSettings(coefficient=0.5, rows=5), seed=1)
    assert loss is not None
    tokens = torch.from_numpy(ROWS.astype(np.int64))
    logits = model.logits(model(tokens[:, :-1]))
    torch.testing.assert_close(loss(0), 0.5 * F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()))


def test_rows_are_a_function_of_the_step(model: Transformer) -> None:
    loss = pretraining_loss(model, TOKENS, PretrainingSettings(coefficient=1.0, rows=2), seed=1)
    assert loss is not None
    assert loss(3).item() == loss(3).item() != loss(4).item()

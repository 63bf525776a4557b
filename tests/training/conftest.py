"""A tiny decoder and rows of random tokens for it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stages.model.transformer import ModelConfig, Transformer
from stages.training.batches import Rows

TINY = ModelConfig(
    vocabulary_size=40,
    context_length=16,
    width=16,
    layers=2,
    heads=2,
    key_value_heads=1,
    hidden_width=24,
    rope_theta=10_000.0,
    norm_epsilon=1e-5,
    tied=True,
)


@pytest.fixture
def tiny_model() -> Callable[[], Transformer]:
    def make() -> Transformer:
        model = Transformer(TINY)
        model.initialise(torch.Generator().manual_seed(1))
        return model

    return make


@pytest.fixture
def rows() -> Rows:
    """12 rows of two pieces and a padded end each."""
    draws = np.random.default_rng(1)
    tokens = draws.integers(6, 40, (12, 17)).astype(np.uint16)
    segments = np.repeat(np.array([[1] * 7 + [2] * 8 + [0] * 2], dtype=np.uint16), 12, axis=0)
    return Rows(tokens, segments, None)

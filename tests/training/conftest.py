"""A tiny decoder and rows of random tokens for it."""

from collections.abc import Callable

import numpy as np
import pytest

from stages.model.transformer import Transformer
from stages.training.batches import Rows
from tests.specimens import fresh_model, small_config


@pytest.fixture
def tiny_model() -> Callable[[], Transformer]:
    return lambda: fresh_model(small_config(40, context_length=16))


@pytest.fixture
def rows() -> Rows:
    """12 rows of two pieces and a padded end each."""
    draws = np.random.default_rng(1)
    tokens = draws.integers(6, 40, (12, 17)).astype(np.uint16)
    segments = np.repeat(np.array([[1] * 7 + [2] * 8 + [0] * 2], dtype=np.uint16), 12, axis=0)
    return Rows(tokens, segments, None)

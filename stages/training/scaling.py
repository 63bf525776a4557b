"""The one dial: the width, learning rate and batch that follow from depth and budget where they are not written out."""

import math

from pydantic import Field

from stages.errors import ExitCode, StageError
from stages.model.transformer import ModelConfig
from stages.parameters import Section

HEAD_WIDTH = 64
"""Fast on processors with wide registers, and what most Llama-family models of this size have."""

WIDTH_PER_LAYER = 42
"""Width for each layer, near the 32 to 64 of small published decoders; rounded to whole heads."""

RATE_TIMES_WIDTH = 1.024
"""Learning rate of Muon times width, as the best rate falls with the width (Yang et al. 2022,
https://arxiv.org/abs/2203.03466). 8e-3 at width 128, where half of it and one and a half times it
learn less (benchmarks/results/recipe.json)."""

BATCH_FACTOR = 2
"""Batch over the root of the token budget: the critical batch grows about so (Zhang et al. 2024,
https://arxiv.org/abs/2410.21676); 4 thousand tokens for 3 million, a quarter of a million for 20 thousand million."""


class ShapeSettings(Section):
    """The decoder's shape; null follows from the depth."""

    width: int | None = Field(gt=0)
    """Size of the residual stream. null: 42 for each layer, rounded to whole heads of 64."""
    heads: int | None = Field(gt=0)
    """Query heads; divides width. null: heads of 64."""
    key_value_heads: int | None = Field(gt=0)
    """Key and value heads; divides heads. null: as many as query heads."""
    hidden_width: int | None = Field(gt=0)
    """Inner size of the feed-forward network. null: 8/3 of the width, rounded up to 32 (Shazeer 2020)."""
    rope_theta: float = Field(gt=0)
    """Base of the rotary frequencies."""
    norm_epsilon: float = Field(gt=0)
    """Added to the mean square in every norm."""
    tied: bool
    """Whether the output projection is the embedding; saves a third of a small model."""


def model_shape(depth: int, settings: ShapeSettings, vocabulary_size: int, context_length: int) -> ModelConfig:
    """The shape of a model of `depth` layers; StageError if what is written out does not divide."""
    width = settings.width or HEAD_WIDTH * max(1, round(depth * WIDTH_PER_LAYER / HEAD_WIDTH))
    heads = settings.heads or max(1, width // HEAD_WIDTH)
    key_value_heads = settings.key_value_heads or heads
    if width % heads or width // heads % 2 or heads % key_value_heads:
        where = f"width {width}, heads {heads}, key_value_heads {key_value_heads}"
        remedy = "Heads must divide the width into even parts, and key_value_heads must divide heads."
        raise StageError(ExitCode.CONFIGURATION, "shape does not divide", where, remedy)
    return ModelConfig(
        family="llama",
        vocabulary_size=vocabulary_size,
        context_length=context_length,
        width=width,
        layers=depth,
        heads=heads,
        head_width=width // heads,
        key_value_heads=key_value_heads,
        hidden_width=settings.hidden_width or math.ceil(width * 8 / 3 / 32) * 32,
        rope_theta=settings.rope_theta,
        rope_scaling=None,
        norm_epsilon=settings.norm_epsilon,
        tied=settings.tied,
    )


def peak_learning_rate(width: int) -> float:
    """The highest learning rate for a width."""
    return RATE_TIMES_WIDTH / width


def batch_tokens(tokens: int) -> int:
    """The batch for a budget of training tokens: the power of two nearest, on a log scale, to twice its root."""
    return 2 ** round(math.log2(BATCH_FACTOR * math.sqrt(tokens)))

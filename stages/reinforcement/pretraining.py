"""Pretraining text beside the reward, so that a policy keeps what it knew: PPO-ptx of Ouyang et al. 2022."""

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor

from stages.model.transformer import Transformer
from stages.parameters import Section
from stages.text.shards import TokenRows
from stages.training.batches import Mixture, Part, Rows
from stages.training.objectives import next_token_loss


class PretrainingSettings(Section):
    """How much of it."""

    coefficient: float = Field(ge=0)
    """Weight of the mean loss per token beside the surrogate's mean per action; 0 reads none."""
    rows: int = Field(gt=0)
    """Packed rows per optimizer step of the policy."""


def pretraining_loss(
    model: Transformer, tokens: TokenRows, settings: PretrainingSettings, seed: int
) -> Callable[[int], Tensor] | None:
    """The weighted loss as a function of the step, whose rows depend on seed and step alone; None at coefficient 0."""
    if settings.coefficient == 0:
        return None
    part = Part("pretraining", Rows(tokens.rows, tokens.segments, None), settings.rows)
    batches = Mixture([part], settings.rows, seed)

    def loss(step: int) -> Tensor:
        micro_batches = batches(step)
        targets = sum(batch.weight for batch in micro_batches)
        losses = torch.stack([next_token_loss(model, batch) for batch in micro_batches])
        return settings.coefficient * losses.sum() / targets

    return loss

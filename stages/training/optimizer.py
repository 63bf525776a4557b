"""AdamW, with weight decay on matrices alone."""

import torch
from pydantic import Field
from torch import nn

from stages.parameters import Section


class OptimizerSettings(Section):
    """How gradients become changes of weights."""

    beta_gradient: float = Field(ge=0, lt=1)
    """Memory of the mean gradient (beta 1)."""
    beta_square: float = Field(ge=0, lt=1)
    """Memory of the mean squared gradient (beta 2)."""
    epsilon: float = Field(gt=0)
    """Added to the root of the mean square."""
    weight_decay: float = Field(ge=0)
    """Pull of matrices to 0 per step, times the learning rate (Loshchilov and Hutter 2019)."""
    gradient_clip: float = Field(gt=0)
    """Largest norm of the whole gradient; a longer one is scaled down to it."""


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW over the trainable weights; gains and biases, which have one dimension, are not decayed.

    The learning rate is 0 until the loop sets that of the step.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (settings.beta_gradient, settings.beta_square)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=settings.epsilon, fused=True)

"""AdamW, and Muon for the matrices of the blocks where it is asked for."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from stages.model.scalar import ScalarModel
from stages.model.transformer import Block, Transformer
from stages.parameters import Section
from stages.training.sharding import gathered_rows, local_part, own_rows

UPDATE_SIZE = 0.2
"""Root mean square of Muon's change over its learning rate: that of AdamW's, so that one rate suits both (Liu et al.
2025, https://arxiv.org/abs/2502.16982, section 2.2)."""

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that takes singular values to near 1 fast (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/)."""


class AdamWSettings(Section):
    """How gradients become changes of weights."""

    beta_gradient: float = Field(ge=0, lt=1)
    """Memory of the mean gradient: AdamW's beta 1, and Muon's momentum."""
    beta_square: float = Field(ge=0, lt=1)
    """Memory of the mean squared gradient (beta 2)."""
    epsilon: float = Field(gt=0)
    """Added to the root of the mean square."""
    weight_decay: float = Field(ge=0)
    """Pull of matrices to 0 per step, times the learning rate (Loshchilov and Hutter 2019)."""
    gradient_clip: float = Field(gt=0)
    """Largest norm of the whole gradient; a longer one is scaled down to it."""


class OptimizerSettings(AdamWSettings):
    """The same, with a choice for the matrices of the blocks; embedding, head and gains take AdamW."""

    matrices: Literal["muon", "adamw"]
    """What moves the matrices of the blocks; those of an adapter take AdamW."""


def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices to `matrices` [count, rows, columns], singular values within 0.7 to 1.2.

    In the type of the input: PyTorch's own Muon takes bf16 always, which a processor without the instructions for it
    emulates a hundred times slower, and one matrix at a time.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    first, second, third = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=second, alpha=third), x, beta=first)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose sum is made orthogonal before each step (Jordan et al. 2024), with decoupled weight decay.

    A group holds matrices of one shape, which are worked on together. Of sharded ones a rank moves its rows; their sums
    are gathered and made orthogonal whole, by every rank, in `dtype`: bf16 is enough (Jordan et al. 2024).
    """

    def __init__(
        self, matrices: Sequence[nn.Parameter], momentum: float, weight_decay: float, dtype: torch.dtype
    ) -> None:
        by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            by_shape[matrix.shape].append(matrix)
        settings = {"lr": 0.0, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([{"params": alike} for alike in by_shape.values()], settings)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every matrix; all of them need a gradient. The momentum is Nesterov's."""
        for group in self.param_groups:
            weights, rate, momentum = group["params"], group["lr"], group["momentum"]
            for one in weights:
                if "momentum" not in self.state[one]:
                    self.state[one]["momentum"] = torch.zeros_like(one)
            matrices = [local_part(one) for one in weights]
            momenta = [local_part(self.state[one]["momentum"]) for one in weights]
            gradients = torch.stack([local_part(one.grad) for one in weights])
            torch._foreach_lerp_(momenta, list(gradients), 1 - momentum)
            sums = gradients.lerp(torch.stack(momenta), momentum).to(self.dtype)
            directions = own_rows(orthogonalise(gathered_rows(sums, weights[0])), weights[0]).float()
            size = UPDATE_SIZE * max(weights[0].shape) ** 0.5
            torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
            torch._foreach_add_(matrices, list(directions), alpha=-rate * size)


def build_adamw(weights: Sequence[nn.Parameter], settings: AdamWSettings) -> torch.optim.AdamW:
    """AdamW over `weights`; gains and biases, which have one dimension, are not decayed.

    The learning rate is 0 until the loop sets that of the step.
    """
    groups = [
        {"params": [one for one in weights if one.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [one for one in weights if one.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (settings.beta_gradient, settings.beta_square)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=settings.epsilon, fused=True)


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The weights that a gradient moves."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def build_optimizers(model: Transformer | ScalarModel, settings: OptimizerSettings) -> list[torch.optim.Optimizer]:
    """The optimizers that share the trainable weights of `model`, at rate 0 until the loop sets that of the step.

    What learns beside frozen weights is an adapter, which takes AdamW as in Hu et al. 2022
    (https://arxiv.org/abs/2106.09685, appendix D).
    """
    weights = trainable(model)
    is_adapted = len(weights) < len(list(model.parameters()))
    if settings.matrices == "adamw" or is_adapted:
        return [build_adamw(weights, settings)]
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    matrices = [one for block in blocks for one in trainable(block) if one.ndim == 2]
    chosen = set(matrices)
    others = [one for one in weights if one not in chosen]
    muon = Muon(matrices, settings.beta_gradient, settings.weight_decay, model.compute_dtype)
    return [muon, build_adamw(others, settings)]

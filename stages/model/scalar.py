"""A decoder that ends in numbers instead of a vocabulary: the reward model, and the critic of PPO."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.model.transformer import ModelConfig, Transformer


class ScalarModel(nn.Module):
    """A trunk with a linear head of `outputs` numbers per position.

    `gain` and `shift` [outputs] bring what `score` returns to a known scale; they are saved with the weights, and
    training never sees them.
    """

    gain: Tensor
    shift: Tensor

    def __init__(self, config: ModelConfig, outputs: int) -> None:
        super().__init__()
        # Tied, because a trunk without an output projection is all that is needed here.
        self.config = config.model_copy(update={"tied": True})
        self.outputs = outputs
        self.trunk = Transformer(self.config)
        self.head = nn.Linear(config.width, outputs)
        self.register_buffer("gain", torch.ones(outputs))
        self.register_buffer("shift", torch.zeros(outputs))

    @property
    def compute_dtype(self) -> torch.dtype:
        """Type of the trunk's matrix products."""
        return self.trunk.compute_dtype

    def initialise(self, model: Transformer, generator: torch.Generator) -> None:
        """Take the trunk of a language model; draw the head from N(0, 1 / (width + 1)), its bias 0.

        The scheme of Stiennon et al. 2020 (https://arxiv.org/abs/2009.01325), appendix B.1: outputs of unit size.
        """
        self.trunk.model.load_state_dict(model.model.state_dict())
        nn.init.normal_(self.head.weight, std=1 / math.sqrt(self.config.width + 1), generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Tokens [B, T] to raw fp32 outputs [B, T, outputs]; `segments` as in `Transformer.forward`."""
        return F.linear(self.trunk(tokens, segments).float(), self.head.weight, self.head.bias)

    @torch.no_grad()
    def normalise(self, outputs: Tensor) -> None:
        """Set gain and shift so that raw `outputs` [samples, outputs] get mean 0 and deviation 1.

        The samples are to come from the policy that is going to be optimised (Ziegler et al. 2019,
        https://arxiv.org/abs/1909.08593, section 2.1), so that a price per nat keeps its meaning.
        """
        deviation = outputs.std(0, correction=0).clamp(min=1e-6)
        self.gain.copy_(1 / deviation)
        self.shift.copy_(-outputs.mean(0) / deviation)

    def score(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Normalised outputs [B, outputs] at the last real token of right-padded rows, found by its index.

        An index, never a token id: a padding token may also be a word or an end (a common fault of reward models).
        """
        last = self(tokens)[torch.arange(len(tokens), device=tokens.device), lengths - 1]
        return last * self.gain + self.shift

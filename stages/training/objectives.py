"""The loss of the next token, without ever holding the scores of all positions."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.model.transformer import Transformer
from stages.training.batches import LanguageBatch

CHUNK = 512
"""Positions whose scores over the vocabulary exist at one time."""

IGNORED = -1
"""Target of the positions that fill the last chunk up."""

ChunkGradients = Callable[[Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor, Tensor | None]]


def chunk_gradients(
    hidden: Tensor, weight: Tensor, targets: Tensor, by_weight: bool, z_loss: float = 0.0
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The summed cross-entropy of a chunk, and its gradients by `hidden` [N, width] and `weight` [vocabulary, width],
    the latter only if it is asked for.

    The gradient by a row of scores is its softmax less the target's one-hot vector. Rows with target `IGNORED` add
    nothing. Products are taken in the type of `hidden` and `weight`; the loss and the gradients are fp32. A row's loss
    grows by `z_loss` times the squared logarithm of its softmax's denominator, which keeps that near 0 (Chowdhery et
    al. 2022, https://arxiv.org/abs/2204.02311, section 5).
    """
    scores = (hidden @ weight.T).float()
    counted = (targets != IGNORED)[:, None]
    index = targets.clamp(min=0)[:, None]
    totals = scores.logsumexp(-1, keepdim=True)
    losses = totals - scores.gather(1, index)
    softmax = (scores - totals).exp()
    if z_loss:
        losses, softmax = losses + z_loss * totals.square(), softmax * (1 + 2 * z_loss * totals)
    loss = torch.where(counted, losses, 0.0).sum()
    vocabulary = torch.arange(scores.shape[1], device=scores.device)
    by_scores = torch.where(counted, softmax - (vocabulary == index).float(), 0.0).to(hidden.dtype)
    return loss, (by_scores @ weight).float(), (by_scores.T @ hidden).float() if by_weight else None


class ChunkedCrossEntropy(torch.autograd.Function):
    """Output projection and cross-entropy in one, gradients taken chunk by chunk on the way forward.

    So the scores of all positions never exist together, and nothing is computed twice; the idea of the fused linear
    cross-entropy of Hsu et al. 2024 (https://arxiv.org/abs/2410.10989).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, gradients: ChunkGradients) -> Tensor:
        """Summed loss of `hidden` [N, width], N a multiple of the chunk, in the type of the products."""
        loss = torch.zeros((), device=hidden.device)
        is_learnt = ctx.needs_input_grad[1]
        by_weight = torch.zeros_like(weight, dtype=torch.float32) if is_learnt else None
        by_hidden = torch.empty_like(hidden)
        cast = weight.to(hidden.dtype)
        for start in range(0, len(hidden), CHUNK):
            rows = slice(start, start + CHUNK)
            part, by_hidden[rows], by_part = gradients(hidden[rows], cast, targets[rows], is_learnt)
            loss += part
            if by_weight is not None and by_part is not None:
                by_weight += by_part
        ctx.save_for_backward(by_hidden, by_weight)
        return loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """The stored gradients, scaled; none by a weight that is frozen."""
        by_hidden, by_weight = ctx.saved_tensors
        return by_hidden * outputs[0], None if by_weight is None else by_weight * outputs[0], None, None


def next_token_loss(model: Transformer, batch: LanguageBatch, gradients: ChunkGradients = chunk_gradients) -> Tensor:
    """Cross-entropy in nats summed over the batch's trained targets; the caller divides by those of the whole step.

    Only positions with a trained target reach the output projection.
    """
    hidden = model(batch.tokens, batch.segments).flatten(0, 1).index_select(0, batch.positions)
    filler = -len(hidden) % CHUNK
    hidden = F.pad(hidden, (0, 0, 0, filler)).to(model.compute_dtype)
    targets = F.pad(batch.targets, (0, filler), value=IGNORED)
    return ChunkedCrossEntropy.apply(hidden, model.output_weight, targets, gradients)

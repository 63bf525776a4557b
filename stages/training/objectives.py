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

ChunkLoss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None], Tensor]


def chunk_loss(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    by_hidden: Tensor,
    by_weight: Tensor | None,
    z_loss: float = 0.0,
) -> Tensor:
    """The summed cross-entropy of a chunk, whose gradients it leaves behind.

    That by `hidden` [N, width] is written into `by_hidden`, that by `weight` [vocabulary, width] added to `by_weight`,
    which is fp32, if it is asked for. Products are taken in the type of `hidden` and `weight`.

    The gradient by a row of scores is its softmax less the target's one-hot vector. Rows with target `IGNORED` add
    nothing. A row's loss grows by `z_loss` times the squared logarithm of its softmax's denominator, which keeps that
    near 0 (Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311, section 5).
    """
    scores = (hidden @ weight.T).float()
    counted, index = (targets != IGNORED)[:, None], targets.clamp(min=0)[:, None]
    totals, chosen = scores.logsumexp(-1, keepdim=True), scores.gather(1, index)
    losses, slope = totals - chosen + z_loss * totals.square(), 1 + 2 * z_loss * totals
    # The target's own place is written anew, so that no row is compared with the whole vocabulary.
    by_chosen = torch.where(counted, (chosen - totals).exp() * slope - 1, 0.0).to(hidden.dtype)
    softmax = (scores - torch.where(counted, totals, torch.inf)).exp()
    by_scores = (softmax * slope).to(hidden.dtype).scatter(1, index, by_chosen)
    by_hidden.copy_(by_scores @ weight)
    if by_weight is not None:
        by_weight.add_(by_scores.T @ hidden)
    return torch.where(counted, losses, 0.0).sum()


class ChunkedCrossEntropy(torch.autograd.Function):
    """Output projection and cross-entropy in one, gradients taken chunk by chunk on the way forward.

    So the scores of all positions never exist together, and nothing is computed twice; the idea of the fused linear
    cross-entropy of Hsu et al. 2024 (https://arxiv.org/abs/2410.10989).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, loss_of: ChunkLoss) -> Tensor:
        """Summed loss of `hidden` [N, width], N a multiple of the chunk, in the type of the products."""
        loss = torch.zeros((), device=hidden.device)
        by_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        by_hidden = torch.empty_like(hidden)
        cast = weight.to(hidden.dtype)
        chunks = (one.split(CHUNK) for one in (hidden, targets, by_hidden))
        for rows, wanted, by_rows in zip(*chunks, strict=True):
            loss += loss_of(rows, cast, wanted, by_rows, by_weight)
        ctx.save_for_backward(by_hidden, by_weight)
        return loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """The stored gradients, scaled; none by a weight that is frozen."""
        by_hidden, by_weight = ctx.saved_tensors
        return by_hidden * outputs[0], None if by_weight is None else by_weight * outputs[0], None, None


def next_token_loss(model: Transformer, batch: LanguageBatch, loss_of: ChunkLoss = chunk_loss) -> Tensor:
    """Cross-entropy in nats summed over the batch's trained targets; the caller divides by those of the whole step.

    Only positions with a trained target reach the output projection.
    """
    hidden = model(batch.tokens, batch.segments).flatten(0, 1).index_select(0, batch.positions)
    filler = -len(hidden) % CHUNK
    hidden = F.pad(hidden, (0, 0, 0, filler)).to(model.compute_dtype)
    targets = F.pad(batch.targets, (0, filler), value=IGNORED)
    return ChunkedCrossEntropy.apply(hidden, model.output_weight, targets, loss_of)

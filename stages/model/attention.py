"""How queries read the keys that stand before them: written out in blocks, or by PyTorch's own kernel."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

EXPLICIT_LENGTH = 512
"""Longest row for which a CPU writes attention out, which in compiled bf16 beats its flash kernel."""

QUERY_BLOCK = 128
"""Most queries of a row that are attended at a time where it is written out: the scores of keys behind a block are
never computed, a quarter of all with two blocks, three eighths with four."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries [B, H, T, D], keys and values [B, K, T, D] (K divides H) to the attended values [B, H, T, D]."""


def attention_mask(length: int, segments: Tensor | None, device: torch.device, start: int = 0) -> Tensor:
    """Which key each query from `start` on may read, [B or 1, 1, length - start, length].

    Itself, and what came before it in its own segment.
    """
    positions = torch.arange(length, device=device, dtype=torch.int32)
    causal = positions[start:, None] >= positions
    if segments is None:
        return causal[None, None]
    return ((segments[:, start:length, None] == segments[:, None, :length]) & causal)[:, None]


def folded(heads: Tensor, groups: int) -> Tensor:
    """[B, H, T, D] to [B, groups, H / groups * T, D]: heads that read the same keys, end to end."""
    return heads.unflatten(1, (groups, -1)).flatten(2, 3)


def unfolded(heads: Tensor, length: int) -> Tensor:
    """The inverse: [B, groups, H / groups * T, D] to [B, H, T, D]."""
    return heads.unflatten(2, (-1, length)).flatten(1, 2)


def exponentials(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """Softmax of the scores of folded queries times its denominator: [B, K, H / K * T, S] in their type.

    The largest of a row is 1; mask [B or 1, 1, T, S].
    """
    scores = (query @ key.mT).unflatten(2, (-1, mask.shape[2])).float()
    scores = scores.masked_fill(~mask[:, :, None], -torch.inf)
    scale = query.shape[-1] ** -0.5
    return ((scores - scores.amax(-1, keepdim=True)) * scale).exp().to(query.dtype).flatten(2, 3)


def joined(parts: Sequence[Tensor]) -> Tensor:
    """The sum of gradients [B, K, S, D] by ever more of the same keys, each from the first one on."""
    pieces = pairwise(accumulate((part.shape[2] for part in parts), max, initial=0))
    return torch.cat(
        [reduce(torch.add, [part[:, :, start:end] for part in parts[i:]]) for i, (start, end) in enumerate(pieces)], 2
    )


class BlockwiseAttention(torch.autograd.Function):
    """Softmax attention written out, by blocks of queries of about equal length, none of which reads behind itself.

    So is its gradient (Dao et al. 2022, https://arxiv.org/abs/2205.14135, appendix B.2): autograd's would give that by
    the keys transposed, and take the softmax a second time. Rows are divided by the denominator of their softmax after
    the product, where they are as wide as a head and not as a context.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, segments: Tensor | None) -> Tensor:
        """Shapes as in `Attend`, segments int32 [B, T]."""
        groups, count = key.shape[1], -(-query.shape[2] // QUERY_BLOCK)
        attended, kept, end = [], [], 0
        for queries in query.tensor_split(count, 2):
            start, end = end, end + queries.shape[2]
            mask = attention_mask(end, segments, query.device, start)
            weights = exponentials(folded(queries, groups), key[:, :, :end], mask)
            totals = weights.float().sum(-1, keepdim=True)
            attended.append(unfolded((weights @ value[:, :, :end] / totals).to(query.dtype), end - start))
            kept += [weights, totals]
        ctx.save_for_backward(query, key, value, *kept)
        return torch.cat(attended, 2)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """The gradients by queries, keys and values."""
        query, key, value, *kept = ctx.saved_tensors
        groups, count, scale = key.shape[1], len(kept) // 2, query.shape[-1] ** -0.5
        by_query, by_key, by_value = [], [], []
        blocks = (one.tensor_split(count, 2) for one in (query, outputs[0]))
        for queries, by_attended, weights, totals in zip(*blocks, kept[::2], kept[1::2], strict=True):
            end, length = weights.shape[-1], queries.shape[2]
            queries, by_product = folded(queries, groups), (folded(by_attended, groups) / totals).to(query.dtype)
            by_weights = (by_product @ value[:, :, :end].mT).float()
            along = (weights * by_weights).sum(-1, keepdim=True) / totals
            by_scores = (weights * (by_weights - along) * scale).to(query.dtype)
            by_query.append(unfolded(by_scores @ key[:, :, :end], length))
            by_key.append(by_scores.mT @ queries)
            by_value.append(weights.mT @ by_product)
        return torch.cat(by_query, 2), joined(by_key), joined(by_value), None


def flash_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """PyTorch's own kernel; shapes as in `Attend`; plain causal without a mask."""
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=key.shape[1] != query.shape[1]
    )


def causal_attention(length: int, segments: Tensor | None, device: torch.device) -> Attend:
    """The attention that suits this length and device, with its mask bound."""
    if length <= EXPLICIT_LENGTH and device.type == "cpu":
        numbers = None if segments is None else segments.int()  # a processor compares twice as many of them at a time
        return lambda query, key, value: BlockwiseAttention.apply(query, key, value, numbers)
    documents = None if segments is None else attention_mask(length, segments, device)
    return lambda query, key, value: flash_attention(query, key, value, documents)

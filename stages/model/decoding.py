"""The forward pass of a decoder that reads its past from a static key-value cache: fewer, larger products."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.model.transformer import Block, Transformer

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values [rows, key_value_heads, places, head_width] of each layer."""


class FusedBlock(NamedTuple):
    """The matrices of a block, transposed, with the weights of the norm before them multiplied in.

    Queries carry the factor 1 / sqrt(head_width).
    """

    query_key_value: Tensor
    bias: Tensor | None
    """Added to what they give."""
    head_norms: Tensor | None
    """Weights [heads + key_value_heads, head_width] of the norms of queries and keys."""
    output: Tensor
    gate_up: Tensor
    down: Tensor


def fuse(block: Block, dtype: torch.dtype) -> FusedBlock:
    """The block's present weights; they do not follow later changes."""
    attention, mlp = block.self_attn, block.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    factor, bias, head_norms = attention.head_width**-0.5, None, None
    if attention.q_norm is not None and attention.k_norm is not None:
        counts = [len(projection.weight) // attention.head_width for projection in projections]
        norms = (attention.q_norm.weight * factor).expand(counts[0], -1), attention.k_norm.weight.expand(counts[1], -1)
        head_norms, factor = torch.cat(norms).detach().to(dtype), 1.0
    query, key, value = (projection.weight for projection in projections)
    query_key_value = torch.cat((query * factor, key, value))
    if attention.q_proj.bias is not None:
        query, key, value = (projection.bias for projection in projections)
        bias = torch.cat((query * factor, key, value)).detach().to(dtype)
    gate_up = torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight))
    matrices = (
        query_key_value * block.input_layernorm.weight,
        attention.o_proj.weight,
        gate_up * block.post_attention_layernorm.weight,
        mlp.down_proj.weight,
    )
    first, *others = (matrix.detach().t().to(dtype).contiguous() for matrix in matrices)
    return FusedBlock(first, bias, head_norms, *others)


class Decoder:
    """A language model as it is now, for reading prompts and writing on from them.

    The arithmetic is `Transformer.forward`'s in another order of multiplications: results agree to rounding.
    """

    def __init__(self, model: Transformer) -> None:
        self.model = model
        self.blocks = [fuse(cast(Block, block), model.compute_dtype) for block in model.model.layers]

    def empty_cache(self, rows: int, places: int) -> Cache:
        """A cache for `rows` texts of up to `places` tokens."""
        config, like = self.model.config, self.blocks[0].output
        shape = (rows, config.key_value_heads, places, config.head_width)
        return [(like.new_zeros(shape), like.new_zeros(shape)) for _ in self.blocks]

    def advance(self, cache: Cache, tokens: Tensor, start: Tensor) -> Tensor:
        """Hidden states [rows, T, width] of tokens [rows, T] that stand at `start` [rows] and after.

        Their keys and values are written into the cache; each token reads what the cache holds up to its own place.
        """
        config, (count, length) = self.model.config, tokens.shape
        positions = start[:, None] + torch.arange(length, device=tokens.device)
        reach = int(positions.max()) + 1
        hidden_keys = (torch.arange(reach, device=tokens.device) > positions[..., None])[:, None]
        # Query heads that share a key head are laid end to end along the queries.
        hidden_keys = hidden_keys.repeat(1, 1, config.heads // config.key_value_heads, 1)
        cosines, sines = (table[positions][:, :, None] for table in (self.model.cosines, self.model.sines))
        rows = torch.arange(count, device=tokens.device)[:, None]
        x = self.model.model.embed_tokens(tokens).to(self.model.compute_dtype)
        for block, (keys, values) in zip(self.blocks, cache, strict=True):
            heads = self._normalise(x) @ block.query_key_value
            heads = (heads if block.bias is None else heads + block.bias).unflatten(-1, (-1, config.head_width))
            turned, value = heads.split((config.heads + config.key_value_heads, config.key_value_heads), dim=2)
            if block.head_norms is not None:
                turned = self._normalise(turned) * block.head_norms
            first, second = turned.chunk(2, dim=-1)
            turned = (turned * cosines + torch.cat((-second, first), dim=-1) * sines).to(x.dtype)
            query, key = turned.split((config.heads, config.key_value_heads), dim=2)
            keys[rows, :, positions] = key
            values[rows, :, positions] = value
            folded = query.transpose(1, 2).reshape(count, config.key_value_heads, -1, config.head_width)
            scores = (folded @ keys[:, :, :reach].transpose(-1, -2)).float().masked_fill_(hidden_keys, -torch.inf)
            attended = scores.softmax(-1).to(x.dtype) @ values[:, :, :reach]
            attended = attended.view(count, config.heads, length, config.head_width).transpose(1, 2)
            x = x + attended.reshape(count, length, -1) @ block.output
            gate, up = (self._normalise(x) @ block.gate_up).chunk(2, dim=-1)
            x = x + (F.silu(gate) * up) @ block.down
        return self.model.model.norm(x)

    def _normalise(self, x: Tensor) -> Tensor:
        """RMSNorm without its weights."""
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.model.config.norm_epsilon)).to(x.dtype)

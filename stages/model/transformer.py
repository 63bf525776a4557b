"""A Llama-family decoder whose parameter names are Hugging Face's, so that its state dict is the export format."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.model.attention import Attend, causal_attention
from stages.parameters import Section

Family = Literal["llama", "mistral", "qwen2", "qwen3"]
"""Qwen2 adds a bias to queries, keys and values, Qwen3 normalises heads of queries and keys; else they are alike."""


class RopeScaling(Section):
    """Slower rotation of the slow frequencies, for longer texts, as in Llama 3.1 (Grattafiori et al. 2024)."""

    factor: float
    """How many times slower the slowest frequencies turn."""
    low_frequency_factor: float
    """Frequencies with fewer turns than this in the original context are slowed down by the factor."""
    high_frequency_factor: float
    """Those with more turns than this stay; between the two the change is gradual."""
    original_context_length: int
    """Context in tokens before it was lengthened."""


class ModelConfig(Section):
    """The shape of a decoder."""

    family: Family
    """Which of the published architectures it has."""
    vocabulary_size: int
    """Rows of the embedding."""
    context_length: int
    """Longest input in tokens."""
    width: int
    """Size of the residual stream."""
    layers: int
    """Number of blocks."""
    heads: int
    """Query heads per block."""
    head_width: int
    """Size of one head."""
    key_value_heads: int
    """Key and value heads per block; divides heads (grouped-query attention, Ainslie et al. 2023)."""
    hidden_width: int
    """Inner size of the feed-forward network."""
    rope_theta: float
    """Base of the rotary position frequencies (Su et al. 2021)."""
    rope_scaling: RopeScaling | None
    """How the frequencies are slowed down for a longer context; null where they are not."""
    norm_epsilon: float
    """Added to the mean square in every RMSNorm."""
    tied: bool
    """Whether the output projection is the embedding."""


class Linear(nn.Linear):
    """A projection: fp32 master weights, cast to the type of its input."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, bias)

    def reset_parameters(self) -> None:
        """All zeros: weights are drawn by `Transformer.initialise`, or loaded."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] to [..., outputs]."""
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class RMSNorm(nn.Module):
    """Root mean square normalisation (Zhang and Sennrich 2019), computed in fp32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and type as the input."""
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.epsilon).to(x.dtype)


def slowed(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Rotary frequencies, in radians a token, for a context longer than the original one."""
    turns = scaling.original_context_length * frequencies / (2 * math.pi)
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling.factor


def rotary_tables(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Cosines and sines [context_length, head_width], each frequency twice (the rotate-half layout of Llama)."""
    exponents = torch.arange(0, config.head_width, 2, dtype=torch.float32) / config.head_width
    frequencies = config.rope_theta**-exponents
    if config.rope_scaling:
        frequencies = slowed(frequencies, config.rope_scaling)
    angles = torch.outer(torch.arange(config.context_length, dtype=torch.float32), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate each pair of `x` [..., head_width] by the angle of its position."""
    first, second = x.chunk(2, dim=-1)
    return (x * cosines + torch.cat((-second, first), dim=-1) * sines).to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention with rotary positions; how it attends is the caller's."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        has_bias, has_norms = config.family == "qwen2", config.family == "qwen3"
        self.q_proj = Linear(config.width, config.heads * config.head_width, has_bias)
        self.k_proj = Linear(config.width, config.key_value_heads * config.head_width, has_bias)
        self.v_proj = Linear(config.width, config.key_value_heads * config.head_width, has_bias)
        self.o_proj = Linear(config.heads * config.head_width, config.width)
        self.q_norm = RMSNorm(config.head_width, config.norm_epsilon) if has_norms else None
        self.k_norm = RMSNorm(config.head_width, config.norm_epsilon) if has_norms else None

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, attend: Attend) -> Tensor:
        """[B, T, width] to the same; the tables are broadcast over [B, H, T, head_width]."""
        query, key, value = (
            projection(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        attended = attend(rotate(query, cosines, sines), rotate(key, cosines, sines), value)
        return self.o_proj(attended.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.width, config.hidden_width)
        self.up_proj = Linear(config.width, config.hidden_width)
        self.down_proj = Linear(config.hidden_width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] to the same."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, attend: Attend) -> Tensor:
        """[B, T, width] to the same."""
        x = x + self.self_attn(self.input_layernorm(x), cosines, sines, attend)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    """Embedding, blocks and the final norm: everything but the output projection."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(
            config.vocabulary_size, config.width, _weight=torch.zeros(config.vocabulary_size, config.width)
        )
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)


class Transformer(nn.Module):
    """The language model. `compute_dtype` is the type of its matrix products; weights stay fp32.

    A new one is all zeros: call `initialise`, or load a state dict.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.compute_dtype = torch.float32
        self.model = Trunk(config)
        self.lm_head = None if config.tied else Linear(config.width, config.vocabulary_size)
        cosines, sines = rotary_tables(config)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw projections from N(0, 1 / inputs), which keeps the size of what passes through, and the embedding from
        N(0, 0.02 squared).

        Projections that write to the residual stream are smaller by sqrt(2 layers), so that the stream does not grow
        with the depth (Radford et al. 2019, section 2.3). At a width of 128 GPT-2's own 0.02 would shrink every
        projection to a quarter of its input.
        """
        residual = math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                scale = 1 / math.sqrt(parameter.shape[1])
                if name.endswith(("embed_tokens.weight", "lm_head.weight")):
                    scale = 0.02
                elif name.endswith(("o_proj.weight", "down_proj.weight")):
                    scale /= residual
                nn.init.normal_(parameter, std=scale, generator=generator)

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Tokens [B, T] to hidden states [B, T, width] after the final norm.

        With `segments` [B, T] a token reads only what precedes it in its own segment. Positions run over the whole
        row: rotary attention sees differences of positions only, so a packed document is scored as if alone.
        """
        length = tokens.shape[1]
        attend = causal_attention(length, segments, tokens.device)
        x = self.model.embed_tokens(tokens).to(self.compute_dtype)
        for block in self.model.layers:
            x = block(x, self.cosines[:length], self.sines[:length], attend)
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., width] to fp32 scores [..., vocabulary]."""
        return F.linear(hidden.to(self.compute_dtype), self.output_weight.to(self.compute_dtype)).float()

    @property
    def output_weight(self) -> Tensor:
        """The matrix [vocabulary, width] of the output projection: the embedding itself if the two are tied."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

"""The shape of a decoder under the names of Hugging Face's configurations, there and back."""

from collections.abc import Mapping
from typing import Any, get_args

from stages.errors import ExitCode, StageError
from stages.model.transformer import Family, ModelConfig, RopeScaling

CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}

SCALING = {
    "factor": "factor",
    "low_frequency_factor": "low_freq_factor",
    "high_frequency_factor": "high_freq_factor",
    "original_context_length": "original_max_position_embeddings",
}
"""Our names of the figures of a `llama3` scaling, and theirs."""

EXPECTED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "quantization_config": (None,),
}
"""Keys by which a model of one of the families may differ from ours, and the values with which it does not."""


def hugging_face_config(config: ModelConfig, control: Mapping[str, int]) -> dict[str, Any]:
    """What `config.json` holds; `control` has the ids of bos, end and pad."""
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.rope_theta}
    if config.rope_scaling:
        rope["rope_type"] = "llama3"
        rope |= {theirs: getattr(config.rope_scaling, ours) for ours, theirs in SCALING.items()}
    windows: dict[str, Any] = {
        "mistral": {"sliding_window": None},
        "qwen2": {"use_sliding_window": False},
        "qwen3": {"use_sliding_window": False},
    }
    return windows.get(config.family, {}) | {
        "architectures": [CLASSES[config.family]],
        "model_type": config.family,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": control["bos"],
        "eos_token_id": control["end"],
        "pad_token_id": control["pad"],
        "dtype": "float32",
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "hidden_size": config.width,
        "initializer_range": 0.02,
        "intermediate_size": config.hidden_width,
        "max_position_embeddings": config.context_length,
        "mlp_bias": False,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.key_value_heads,
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": rope,
        "tie_word_embeddings": config.tied,
        "use_cache": True,
        "vocab_size": config.vocabulary_size,
    }


def refused(what: str) -> StageError:
    """A model that this one cannot stand for."""
    remedy = f"Use weights of {', '.join(get_args(Family))} without it."
    return StageError(ExitCode.CONFIGURATION, "not a model of ours", what, remedy)


def rope_scaling(rope: Mapping[str, Any]) -> RopeScaling | None:
    """Of the rotary parameters; StageError for a kind of scaling other than that of Llama 3.1."""
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise refused(f"rotary positions of type {kind}")
    return RopeScaling(**{ours: rope[theirs] for ours, theirs in SCALING.items()})


def window(found: Mapping[str, Any]) -> int | None:
    """Tokens that a token looks back at, where that is less than all."""
    is_used = found["model_type"] == "mistral" or found.get("use_sliding_window")
    return found.get("sliding_window") if is_used else None


def model_config(found: Mapping[str, Any], context_length: int | None = None) -> ModelConfig:
    """The shape that a `config.json` describes, with its own context or a shorter one.

    StageError for a model that ours computes otherwise, or a context that it has no positions for. Older files have
    `rope_theta` and `rope_scaling` instead of `rope_parameters`.
    """
    family = found.get("model_type")
    if family not in CLASSES:
        raise refused(f"model_type {family}")
    for key, values in EXPECTED.items():
        if key in found and found[key] not in values:
            raise refused(f"{key} {found[key]}")
    longest = found["max_position_embeddings"]
    length = longest if context_length is None else context_length
    if length > longest:
        where = f"{length} tokens, {longest} positions"
        raise StageError(ExitCode.CONFIGURATION, "context too long", where, "Lower encode.context_length.")
    looks_back = window(found)
    if looks_back is not None and looks_back < length:
        raise refused(f"a sliding window of {looks_back} tokens in a context of {length}")
    older = {"rope_theta": found.get("rope_theta", 10_000.0)} | (found.get("rope_scaling") or {})
    rope = found.get("rope_parameters") or older
    return ModelConfig(
        family=family,
        vocabulary_size=found["vocab_size"],
        context_length=length,
        width=found["hidden_size"],
        layers=found["num_hidden_layers"],
        heads=found["num_attention_heads"],
        head_width=found.get("head_dim") or found["hidden_size"] // found["num_attention_heads"],
        key_value_heads=found.get("num_key_value_heads") or found["num_attention_heads"],
        hidden_width=found["intermediate_size"],
        rope_theta=rope["rope_theta"],
        rope_scaling=rope_scaling(rope),
        norm_epsilon=found["rms_norm_eps"],
        tied=found.get("tie_word_embeddings", False),
    )

"""Model folders: `config.json`, `model.safetensors`, `tokenizer/` and `run.json`; transformers opens them."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stages.errors import ExitCode, StageError
from stages.hashing import file_hash
from stages.model.transformer import ModelConfig, Transformer

if TYPE_CHECKING:
    from stages.model.scalar import ScalarModel

WEIGHTS_FILE = "model.safetensors"


def llama_config(config: ModelConfig) -> dict[str, Any]:
    """The configuration under the keys of Hugging Face's `LlamaConfig`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
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
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tied,
        "use_cache": True,
        "vocab_size": config.vocabulary_size,
    }


def model_config(llama: dict[str, Any]) -> ModelConfig:
    """The inverse of `llama_config`."""
    return ModelConfig(
        vocabulary_size=llama["vocab_size"],
        context_length=llama["max_position_embeddings"],
        width=llama["hidden_size"],
        layers=llama["num_hidden_layers"],
        heads=llama["num_attention_heads"],
        key_value_heads=llama["num_key_value_heads"],
        hidden_width=llama["intermediate_size"],
        rope_theta=llama["rope_parameters"]["rope_theta"],
        norm_epsilon=llama["rms_norm_eps"],
        tied=llama["tie_word_embeddings"],
    )


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys, so that equal content is equal bytes."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def save_model(folder: Path, model: "Transformer | ScalarModel", tokenizer_folder: Path, run: dict[str, Any]) -> None:
    """Write a model folder under a temporary name, then rename it; an older one of that name is replaced.

    A scalar model notes its outputs under `headwater`, where transformers ignores them. `run` holds resolved parameters
    and input hashes, and nothing that differs between equal runs.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    config = llama_config(model.config)
    if not isinstance(model, Transformer):
        config["headwater"] = {"outputs": model.outputs}
    write_json(partial / "config.json", config)
    weights = {name: weight.detach().cpu().contiguous() for name, weight in model.state_dict().items()}
    save_file(weights, partial / WEIGHTS_FILE, metadata={"format": "pt"})
    shutil.copytree(tokenizer_folder, partial / "tokenizer")
    write_json(partial / "run.json", run)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return config, load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise StageError(
            ExitCode.DATA, "cannot read model", f"{folder}: {error}", "Run the stage that writes it again."
        ) from error


def load_model(folder: Path) -> Transformer:
    """The language model in `folder`: fp32, in evaluation mode."""
    config, weights = _read(folder)
    model = Transformer(model_config(config))
    model.load_state_dict(weights)
    return model.eval()


def load_scalar_model(folder: Path) -> "ScalarModel":
    """The reward model or critic in `folder`: fp32, in evaluation mode."""
    from stages.model.scalar import ScalarModel  # here, so that a language model never depends on it

    config, weights = _read(folder)
    model = ScalarModel(model_config(config), config["headwater"]["outputs"])
    model.load_state_dict(weights)
    return model.eval()


def model_hash(folder: Path) -> str:
    """SHA-256 of the weights file."""
    return file_hash(folder / WEIGHTS_FILE)

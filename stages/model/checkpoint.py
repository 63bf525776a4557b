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
from stages.model.hugging_face import hugging_face_config, model_config
from stages.model.transformer import Transformer

if TYPE_CHECKING:
    from stages.model.scalar import ScalarModel

WEIGHTS_FILE = "model.safetensors"


def control_ids(tokenizer_folder: Path) -> dict[str, int]:
    """The ids of bos, end and pad in a tokenizer's folder."""
    saved = json.loads((tokenizer_folder / "tokenizer.json").read_text(encoding="utf-8"))
    settings = json.loads((tokenizer_folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    ids = {token["content"]: token["id"] for token in saved["added_tokens"]}
    return {name: ids[settings[f"{key}_token"]] for name, key in (("bos", "bos"), ("end", "eos"), ("pad", "pad"))}


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
    config = hugging_face_config(model.config, control_ids(tokenizer_folder))
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

"""The folder that any tool for Llama models opens: weights and tokenizer side by side, and how to sample."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from stages.model.checkpoint import WEIGHTS_FILE, write_json


@dataclass(frozen=True)
class SamplingDefaults:
    """What a tool samples with unless it is told otherwise."""

    temperature: float
    top_p: float
    max_new_tokens: int


def write_export(model: Path, target: Path, chat_template: str, sampling: SamplingDefaults) -> None:
    """Copy the model folder `model` to `target` in the layout of the Hugging Face hub; an older `target` is replaced.

    The chat template stands in a file of its own, where transformers 5 looks, and in the tokenizer's settings, where
    older readers do.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("config.json", WEIGHTS_FILE, "run.json"):
        shutil.copyfile(model / name, target / name)
    for path in sorted((model / "tokenizer").iterdir()):
        shutil.copyfile(path, target / path.name)
    (target / "chat_template.jinja").write_text(chat_template, encoding="utf-8")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    write_json(target / "generation_config.json", generation_config(config, sampling))


def generation_config(config: dict[str, object], sampling: SamplingDefaults) -> dict[str, object]:
    """The sampling defaults under the keys of Hugging Face's `GenerationConfig`."""
    return {
        "bos_token_id": config["bos_token_id"],
        "do_sample": True,
        "eos_token_id": config["eos_token_id"],
        "max_new_tokens": sampling.max_new_tokens,
        "pad_token_id": config["pad_token_id"],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }

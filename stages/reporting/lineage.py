"""The chain of models: which weights each was trained from, by the hashes that each model's record holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.hashing import file_hash, folder_hash

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Link:
    """A trained model, its weights, and what its record says it was made from."""

    stage: str
    weights: str
    """SHA-256 of the weights file."""
    inputs: tuple[tuple[str, str, str], ...]
    """Name and hash of each input, and the stage whose model has that hash now; empty for other inputs."""
    record: dict[str, Any]


def links(models: Mapping[str, Path]) -> list[Link]:
    """The models by stage, each with its inputs matched to the models before it."""
    known: dict[str, str] = {}
    chain = []
    for stage, folder in models.items():
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        inputs = tuple((name, value, known.get(value, "")) for name, value in sorted(record["inputs"].items()))
        weights = file_hash(folder / WEIGHTS)
        # A record may hold the hash of the whole folder or that of the weights alone.
        known |= {weights: stage, folder_hash(folder): stage}
        chain.append(Link(stage, weights, inputs, record))
    return chain

"""States of an unfinished run on disk: each is whole or absent, and the newest whole one is continued."""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import torch

KEPT = 2
"""States that stay, so that a damaged newest one costs no more than one interval."""


def write_state(folder: Path, number: int, state: dict[str, Any]) -> None:
    """Save the state after `number` steps: written, synced, renamed; those before the last `KEPT` are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number:08d}.pt"
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    for older in sorted(folder.glob("*.pt"))[:-KEPT]:
        older.unlink()


def newest_state(folder: Path) -> dict[str, Any] | None:
    """The latest state that can be read, in main memory; nothing but tensors and plain values is ever unpickled."""
    for path in sorted(folder.glob("*.pt"), reverse=True):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, pickle.UnpicklingError):
            print(f"{path} cannot be read: the run goes on from what was saved before it", file=sys.stderr)
    return None

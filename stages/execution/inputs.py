"""What a stage depends on, whether it changed while the stage ran, and the fingerprint that names its checkpoints."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.errors import ExitCode, StageError
from stages.hashing import file_hash

Snapshot = dict[str, tuple[int, int, int]]
"""Size, modification time in nanoseconds and inode of each file, by path."""

COMPILED = "__pycache__"


def declared(stage: str, pipeline: Path, *kinds: str) -> list[Path]:
    """The paths that `dvc.yaml` lists for a stage under `deps`, `outs` or `metrics`; none without such a stage."""
    if not pipeline.is_file():
        return []
    # Read in C, as YAML 1.1: paths read the same, several times faster.
    content = YAML(typ="safe").load(pipeline)["stages"].get(stage, {})
    entries = [entry for kind in kinds for entry in content.get(kind, [])]
    return [Path(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]


def files_below(path: Path) -> list[Path]:
    """`path` itself or every file below it, in name order, without what Python compiles on import."""
    if not path.is_dir():
        return [path] if path.exists() else []
    found: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != COMPILED)
        found += [Path(folder, name) for name in sorted(names)]
    return found


def require_readable(paths: Iterable[Path]) -> None:
    """StageError for inputs that are not there, or not to be read."""
    paths = list(paths)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        remedy = "Run the stage that writes it (`dvc repro`), or `make sources` for a file listing sources."
        raise StageError(ExitCode.DATA, "input missing", ", ".join(missing), remedy)
    files = [file for path in paths for file in {path, *files_below(path)}]
    closed = sorted(str(file) for file in files if not os.access(file, os.R_OK))
    if closed:
        raise StageError(ExitCode.DATA, "input not readable", ", ".join(closed[:5]), "Change its owner or its mode.")


def snapshot(paths: Iterable[Path]) -> Snapshot:
    """Size, time and inode of every file in or below `paths`."""
    states = {str(file): file.stat() for path in paths for file in files_below(path)}
    return {name: (state.st_size, state.st_mtime_ns, state.st_ino) for name, state in states.items()}


def require_unchanged(before: Snapshot, after: Snapshot) -> None:
    """StageError if a file changed, came or went between two snapshots.

    DVC hashes dependencies after the command: it would record the new content beside the output of the old.
    """
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise StageError(
            ExitCode.DATA, "changed while running", ", ".join(changed[:5]), "Run the stage again; nothing was recorded."
        )


def fingerprint(parameters: dict[str, Any], paths: Iterable[Path]) -> str:
    """16 hex digits over a stage's parameters and the content of everything it depends on."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in sorted(set(paths)):
        for file in files_below(path):
            digest.update(f"{file.as_posix()}\0{file_hash(file)}\n".encode())
    return digest.hexdigest()[:16]


def open_checkpoints(folder: Path, name: str, named: Path | None) -> Path:
    """The checkpoint folder of this fingerprint; says so when those of other fingerprints are left unread.

    What the user has named is copied into it, or refused where it belongs to another fingerprint.
    """
    checkpoints = folder / name
    if named is not None and (named.name != name or not named.is_dir()):
        raise StageError(
            ExitCode.CONFIGURATION,
            "no checkpoint folder of these parameters, inputs and code",
            f"{named}, where {name} is asked for",
            "Name that folder, put back what it was made from, or leave --resume-from out for a fresh start.",
        )
    if not checkpoints.is_dir() and folder.is_dir() and any(folder.iterdir()):
        print("checkpoints of other inputs, parameters or code are not read: a fresh start", file=sys.stderr)
    checkpoints.mkdir(parents=True, exist_ok=True)
    if named is not None and not named.samefile(checkpoints):
        shutil.copytree(named, checkpoints, dirs_exist_ok=True)
    return checkpoints

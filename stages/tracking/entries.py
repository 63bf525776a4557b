"""What the run of a stage and of a whole pipeline write alike: parameters, hashes of outputs, the commit, failures."""

import json
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

MAX_PARAMETER_CHARACTERS = 6000
"""Of a parameter's value, as MLflow stores it."""
WRITING_SECONDS = 1.0
MAX_REASON_CHARACTERS = 300
_USER = re.compile(r"(?<=://)[^/\s]*@")
"""User and password in an address."""


def flatten(parameters: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested parameters as dotted names and text."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            flat[prefix + name] = text[:MAX_PARAMETER_CHARACTERS]
    return flat


def reason(error: Exception) -> str:
    """An error as one line for everyone to read: MLflow repeats the server's address, and a password may be in it."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return _USER.sub("***@", line)[:MAX_REASON_CHARACTERS]


def whole_text(lock: Path) -> str:
    """The text of `dvc.lock`, empty if there is none; DVC writes it in place, a tenth of a second long."""
    deadline = time.monotonic() + WRITING_SECONDS
    while lock.is_file():
        text = lock.read_text(encoding="utf-8")
        if text.endswith("\n") or time.monotonic() > deadline:
            return text
        time.sleep(0.02)
    return ""


def recorded_hashes(lock: Path) -> dict[str, str]:
    """The DVC hash of every output in `dvc.lock`, by path; none if a DVC that was killed has cut it off."""
    try:
        stages = YAML(typ="safe").load(whole_text(lock))["stages"]
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", []) if "md5" in out}
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return {}


def input_hashes(inputs: Iterable[str], recorded: Mapping[str, str]) -> dict[str, str]:
    """The recorded hash of each input, or of the output that holds it; none for what no stage wrote."""
    hashes: dict[str, str] = {}
    for path in inputs:
        holder = next((str(place) for place in (Path(path), *Path(path).parents) if str(place) in recorded), None)
        if holder:
            hashes[path] = recorded[holder]
    return hashes


def git(*arguments: str) -> str:
    """What git says, or nothing outside a repository."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def git_tags() -> dict[str, str]:
    """The commit, where there is one, and whether what git tracks has been edited since."""
    commit = git("rev-parse", "HEAD")
    dirty = str(bool(git("status", "--porcelain", "--untracked-files=no"))).lower()
    return ({"git.commit": commit} if commit else {}) | {"git.dirty": dirty}

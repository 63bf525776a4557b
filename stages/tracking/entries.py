"""What the run of a stage and of a whole pipeline write alike: parameters, hashes of outputs, the commit, failures."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

MAX_PARAMETER_CHARACTERS = 6000
"""Of a parameter's value, as MLflow stores it."""
SETTLED_SECONDS = 0.5
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


def settled_text(path: Path) -> str:
    """The text of a file, once it has stayed the same for a moment."""
    text = path.read_text(encoding="utf-8")
    while True:
        time.sleep(SETTLED_SECONDS)
        before, text = text, path.read_text(encoding="utf-8")
        if text == before:
            return text


def recorded_hashes(lock: Path) -> dict[str, str]:
    """The DVC hash of every output in `dvc.lock`, by path.

    DVC rewrites the file in place when a stage ends, which may be before this process has come to read it.
    """
    if not lock.is_file():
        return {}
    stages = YAML(typ="safe").load(settled_text(lock))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", []) if "md5" in out}


def git(*arguments: str) -> str:
    """What git says, or nothing outside a repository."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def git_tags() -> dict[str, str]:
    """The commit, where there is one, and whether what git tracks has been edited since."""
    commit = git("rev-parse", "HEAD")
    dirty = str(bool(git("status", "--porcelain", "--untracked-files=no"))).lower()
    return ({"git.commit": commit} if commit else {}) | {"git.dirty": dirty}

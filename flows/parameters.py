"""Have the stages look at their sections of `params.yaml` before any of them starts.

It takes a process that loads their code, for flows know stages by name alone; and seconds, in which the flow does other
things. What has been found in order is not looked at again until a section, a stage or its code changes.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from flows.files import written_whole
from flows.graph import read_graph

PIPELINE, PARAMETERS, CODE = Path("dvc.yaml"), Path("params.yaml"), Path("stages")
IN_ORDER = "parameters_in_order"
"""In Prefect's folder: the key of what was found in order last."""


@dataclass(frozen=True)
class Check:
    """A check that was begun: of what, and its process; none if there is nothing to look at."""

    key: str
    process: subprocess.Popen[str] | None


_begun: dict[str | None, Check] = {}


def _record() -> Path:
    return Path(os.environ["PREFECT_HOME"], IN_ORDER)


def _key(stages: list[str]) -> str:
    """Of these stages' names, both files' content, and the size and time of every file of code."""
    found = hashlib.sha256("\n".join(stages).encode())
    for path in (PIPELINE, PARAMETERS):
        found.update(path.read_bytes() if path.is_file() else b"missing")
    for path in sorted(CODE.rglob("*.py")):
        status = path.stat()
        found.update(f"\n{path} {status.st_size} {status.st_mtime_ns}".encode())
    return found.hexdigest()


def begin_check(from_stage: str | None) -> None:
    """Start to check the sections of `from_stage` and what lies behind it, or of all stages; once until it is asked.

    Raises what keeps `dvc.yaml` from being read, and UnknownStageError.
    """
    if from_stage in _begun:
        return
    stages = sorted(read_graph(PIPELINE).behind(from_stage)) if from_stage else []
    key, process = _key(stages), None
    if not _record().exists() or _record().read_text() != key:
        command = [sys.executable, "-m", "stages.check", *stages]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    _begun[from_stage] = Check(key, process)


def wrong_parameters(from_stage: str | None) -> str:
    """What these stages find wrong with their sections, in one line; empty where nothing is."""
    begin_check(from_stage)
    check = _begun.pop(from_stage)
    if check.process is None:
        return ""
    _, words = check.process.communicate()
    if check.process.returncode == 0:
        with written_whole(_record()) as file:
            file.write(check.key)
        return ""
    lines = words.strip().splitlines() or [f"the check of params.yaml ended with {check.process.returncode}"]
    return lines[-1].removeprefix("check: ")


def leave_check(from_stage: str | None) -> None:
    """End a check that nobody will ask."""
    check = _begun.pop(from_stage, None)
    if check and check.process:
        check.process.kill()
        check.process.communicate()

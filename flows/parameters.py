"""Have the stages look at their sections of `params.yaml` before any of them starts.

It takes a process that loads their code, for flows know stages by name alone; and seconds, in which the flow does other
things.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

from flows.graph import read_graph

_begun: dict[str | None, subprocess.Popen[str]] = {}


def begin_check(from_stage: str | None) -> None:
    """Start to check the sections of `from_stage` and what lies behind it, or of all stages; once until it is asked.

    Raises what keeps `dvc.yaml` from being read, and UnknownStageError.
    """
    if from_stage in _begun:
        return
    stages = read_graph(Path("dvc.yaml")).behind(from_stage) if from_stage else []
    command = [sys.executable, "-m", "stages.check", *sorted(stages)]
    _begun[from_stage] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wrong_parameters(from_stage: str | None) -> str:
    """What these stages find wrong with their sections, in one line; empty where nothing is."""
    begin_check(from_stage)
    check = _begun.pop(from_stage)
    _, words = check.communicate()
    if check.returncode == 0:
        return ""
    lines = words.strip().splitlines() or [f"the check of params.yaml ended with {check.returncode}"]
    return lines[-1].removeprefix("check: ")


def leave_check(from_stage: str | None) -> None:
    """End a check that nobody will ask."""
    if check := _begun.pop(from_stage, None):
        check.kill()
        with contextlib.suppress(ValueError):
            check.communicate()

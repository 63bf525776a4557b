"""Have the stages look at their sections of `params.yaml` before any of them starts."""

import subprocess
import sys
from collections.abc import Iterable


def wrong_parameters(stages: Iterable[str] = ()) -> str:
    """What these stages, or all of them, find wrong with their sections, in one line; empty where nothing is.

    It takes a process that loads their code, for flows know stages by name alone.
    """
    command = [sys.executable, "-m", "stages.check", *sorted(stages)]
    check = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if check.returncode == 0:
        return ""
    lines = check.stderr.strip().splitlines() or [f"the check of params.yaml ended with {check.returncode}"]
    return lines[-1].removeprefix("check: ")

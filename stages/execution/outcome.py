"""How a stage's run ended: its exit code, and the JSON files beside its output that say so."""

import contextlib
import errno
import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.errors import ExitCode, StageError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}
STATES = {0: "ran", ExitCode.WAITING_FOR_PEOPLE: "waiting", ExitCode.INTERRUPTED: "interrupted"}


@dataclass(frozen=True)
class Status:
    """The content of `status.json`: the state (ran, failed, waiting or interrupted), exit code and one-line message."""

    state: str
    code: int
    message: str


def status(code: int, message: str) -> Status:
    """The status of a run that ended with `code`."""
    return Status(STATES.get(code, "failed"), int(code), message)


def is_out_of_resources(error: BaseException) -> bool:
    """Whether memory or disk ran out; torch's own errors are known by name and text, so that torch is not imported."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in FULL):
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    return "OutOfMemoryError" in names or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def code_of(error: BaseException) -> ExitCode:
    """The exit code of a run that ended with an error; what is not known to be the user's or the machine's is a bug."""
    if isinstance(error, StageError):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.RESOURCES if is_out_of_resources(error) else ExitCode.BUG


def status_of(error: BaseException) -> Status:
    """The status of a run that ended with an error, which is reported on standard error: a trace for a bug alone."""
    code = code_of(error)
    message = str(error)
    if code == ExitCode.BUG:
        traceback.print_exception(error, file=sys.stderr)
        message = f"{type(error).__name__}: {error}"
    elif code == ExitCode.RESOURCES and not isinstance(error, StageError):
        cause = message or type(error).__name__
        message = f"out of memory or disk: {cause}. Free some, or choose smaller values in params.yaml."
    elif code == ExitCode.INTERRUPTED:
        message = "interrupted"
    return status(code, " ".join(message.split()))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write sorted JSON under a temporary name, sync it and rename it: the final name never holds half a file."""
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, sort_keys=True, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_status(folder: Path, ended: Status) -> None:
    """Write `status.json`; a full disk must not hide the error that is being reported."""
    with contextlib.suppress(OSError):
        write_json(folder / "status.json", asdict(ended))

"""How a stage's run ended: its exit code, and the JSON files beside its output that say so."""

import contextlib
import errno
import json
import os
import re
import resource
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from stages.errors import ExitCode, StageError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM}
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
OUT_OF_RESOURCES = {
    "OutOfMemoryError",  # torch's, on a GPU
    "BrokenProcessPool",  # a worker that vanishes was killed, in practice by the system and for want of memory
}
"""Names of classes, so that torch is not imported."""
OUT_OF_RESOURCES_TEXT = re.compile(
    r"can't allocate memory"  # torch, on a processor
    r"|can't start new thread"  # Python
    r"|\d+ requested and \d+ written"  # numpy, whose error has no number
    r"|array is too big|Maximum allowed dimension exceeded"  # numpy, asked for more than any machine has
)
CUT_OFF_TEXT = re.compile(r"\.so: file too short")
"""What the system says of a compiled program whose writer was killed; torch writes them in place."""
RUST_ERROR = re.compile(r"\(os error (\d+)\)")
"""How safetensors and tokenizers state the number of a system's error, in the text alone."""
REMEDIES = {
    ExitCode.RESOURCES: (
        "out of memory or disk",
        "Free some, or choose smaller values in params.yaml: micro_batch_rows first, where a model is trained.",
    ),
    ExitCode.DATA: ("a compiled file is cut off", "Remove the folder .compile and run again: it is made anew."),
    ExitCode.CONFIGURATION: ("not permitted", "Make the path yours, or choose another."),
}
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


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then what it came from: a library that meets a full disk often raises another error on top."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def system_error(error: BaseException) -> int | None:
    """The number of the system's error."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    stated = RUST_ERROR.search(str(error))
    return int(stated[1]) if stated else None


def is_out_of_resources(error: BaseException) -> bool:
    """Whether memory or disk ran out."""
    if isinstance(error, MemoryError) or system_error(error) in FULL:
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    stated = isinstance(error, OSError | RuntimeError | ValueError) and OUT_OF_RESOURCES_TEXT.search(str(error))
    return bool(names & OUT_OF_RESOURCES or stated)


def code_of(error: BaseException) -> ExitCode:
    """The exit code of a run that ended with an error; what is not known to be the user's or the machine's is a bug."""
    if isinstance(error, StageError):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if any(map(is_out_of_resources, causes(error))):
        return ExitCode.RESOURCES
    if any(CUT_OFF_TEXT.search(str(cause)) for cause in causes(error)):
        return ExitCode.DATA
    return ExitCode.CONFIGURATION if system_error(error) in REFUSED else ExitCode.BUG


def status_of(error: BaseException) -> Status:
    """The status of a run that ended with an error, which is reported on standard error: a trace for a bug alone."""
    code = code_of(error)
    message = str(error)
    if code == ExitCode.BUG:
        traceback.print_exception(error, file=sys.stderr)
        message = f"{type(error).__name__}: {error}"
    elif code in REMEDIES and not isinstance(error, StageError):
        what, remedy = REMEDIES[code]
        message = f"{what}: {message or type(error).__name__}. {remedy}"
    elif code == ExitCode.INTERRUPTED:
        message = "interrupted. Run it again: it goes on from what it has saved."
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


def read_status(folder: Path) -> Status | None:
    """What a run has left in `status.json`; None if nothing."""
    path = folder / "status.json"
    return Status(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def timings(began: float, work_seconds: float) -> dict[str, float | str]:
    """When the work began, how long the process took to reach it, how long it took, and the peak memory."""
    kibibytes = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "start_seconds": round(began - psutil.Process().create_time(), 2),
        "work_seconds": round(work_seconds, 2),
        "peak_memory_mebibytes": round(kibibytes / 1024, 1),
    }

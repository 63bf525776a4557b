"""One process per stage: a lock that dies with its holder, and an end for a holder that DVC has left behind."""

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from stages.errors import ExitCode, StageError
from stages.execution.processes import Process, stop

FREED_SECONDS = 3.0
"""Longest time that the system may take to free the locks of a process that has ended."""


@dataclass(frozen=True)
class Holder:
    """Who holds a stage's lock, and the DVC process that started it (None when started by hand)."""

    process: Process
    dvc: Process | None

    @classmethod
    def current(cls) -> "Holder":
        """This process."""
        parent = next((process for process in psutil.Process().parents() if _is_dvc(process)), None)
        return cls(Process.of(), parent and Process.of(parent.pid))

    @classmethod
    def read(cls, text: str) -> "Holder | None":
        """The holder written in a lock file; None while it is being written."""
        try:
            content = json.loads(text)
            return cls(Process(**content["process"]), content["dvc"] and Process(**content["dvc"]))
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def is_left_behind(self) -> bool:
        """Whether DVC started the holder and has gone, so that nobody would record what the holder writes."""
        return self.dvc is not None and self.dvc.find() is None


def _is_dvc(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(Path(argument).name == "dvc" for argument in process.cmdline()[:3])
    return False


def _try_lock(file: int) -> bool:
    # A POSIX record lock: the system frees it when the process ends in any way, and forked workers do not inherit it.
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _lock_of_ended(file: int) -> bool:
    """Take the lock of a process that has ended; the system frees it a moment later, with its last thread."""
    deadline = time.monotonic() + FREED_SECONDS
    while not _try_lock(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _clear(path: Path, file: int) -> None:
    """Stop a holder that DVC has left behind; refuse to go on beside any other that lives."""
    holder = Holder.read(path.read_text())
    process = holder and holder.process.find()
    if process and holder and holder.is_left_behind:
        stop(process)
        process = None
    if holder and process is None and _lock_of_ended(file):
        return
    raise StageError(
        ExitCode.CONFIGURATION,
        "the stage is already running",
        f"process {holder.process.pid if holder else 'unknown'} holds {path}",
        "Wait until it ends, or stop it.",
    )


def take_lock(path: Path) -> None:
    """Take the lock at `path`, which ends with the process; StageError if another live process keeps it.

    It is never given back earlier: what a process does on its way out would run beside the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A bare descriptor, never closed: Python closes file objects, and frees their locks, before a process has ended.
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if not _try_lock(file):
        _clear(path, file)
    os.ftruncate(file, 0)
    os.write(file, json.dumps(asdict(Holder.current())).encode())
    os.fsync(file)

"""Processes by number and start time, so that a number which the system has used again is not mistaken for one."""

import contextlib
import time
from dataclasses import dataclass

import psutil

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Process:
    """A process by number and start time (seconds since the epoch)."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int | None = None) -> "Process":
        """A live process, by default this one; psutil.NoSuchProcess for another number."""
        process = psutil.Process(pid)
        return cls(process.pid, process.create_time())

    def find(self) -> psutil.Process | None:
        """The live process, or None once it has ended."""
        try:
            process = psutil.Process(self.pid)
            # The start time is counted from a boot time that clock corrections move by up to a second.
            is_same = abs(process.create_time() - self.started) < 2
        except psutil.NoSuchProcess:
            return None
        return process if is_same and not has_ended(process) else None


def has_ended(process: psutil.Process) -> bool:
    """Whether a process does no more; a container may have nobody who then takes it off the list."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def stop(process: psutil.Process, seconds: float = STOP_SECONDS) -> None:
    """Ask a process to end, end it if it has not done so in time, and wait until it has."""
    for request in (process.terminate, process.kill):
        with contextlib.suppress(psutil.NoSuchProcess):
            request()
        deadline = time.monotonic() + seconds
        while not has_ended(process) and time.monotonic() < deadline:
            time.sleep(0.02)

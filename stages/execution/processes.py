"""Processes by number and start time, so that a number which the system has used again is not mistaken for one."""

import contextlib
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
            is_same = abs(process.create_time() - self.started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if is_same else None


def stop(process: psutil.Process, seconds: float = STOP_SECONDS) -> None:
    """Ask a process to end, and end it if it has not done so in time."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(seconds)

"""The process groups that DVC and its stages run in, and their end: each is led by one DVC process."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_SECONDS = 8.0
"""With the seconds until a cancel is seen, within ten."""
KILL_SECONDS = 5.0


def has_ended(process: int) -> bool:
    """Whether a process does no more; in a container it may stand in the system's list until somebody collects it."""
    try:
        return bool(psutil.Process(process).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class Group:
    """A process group by its number, which is its first leader's, and when that was started.

    The number is not used again while one of its members lives, even if the leader has ended.
    """

    number: int
    started: float

    @classmethod
    def led_by(cls, pid: int) -> "Group":
        """The group of a live leader; psutil.NoSuchProcess if it has ended."""
        return cls(pid, psutil.Process(pid).create_time())

    def members(self) -> list[psutil.Process]:
        """Its live processes that work in or below the working folder; another group may have the number now."""
        here = Path.cwd()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                is_member = os.getpgid(process.pid) == self.number and process.create_time() > self.started - 2
                if is_member and not has_ended(process.pid) and Path(process.cwd()).is_relative_to(here):
                    found.append(process)
        return found


def end(groups: Iterable[Group], patience: float = STOP_SECONDS) -> None:
    """Interrupt the groups as Ctrl-C would; kill what has not ended after `patience` seconds."""
    left = [group for group in groups if group.members()]
    for number, seconds in ((signal.SIGINT, patience), (signal.SIGKILL, KILL_SECONDS)):
        for group in left:
            _signal(group, number)
        deadline = time.monotonic() + seconds
        while (left := [group for group in left if group.members()]) and time.monotonic() < deadline:
            time.sleep(0.1)


def _signal(group: Group, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group.number, number)

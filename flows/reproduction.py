"""Have DVC reproduce one stage, in a process group that can be stopped, and tell how the stage ended."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flows.process_groups import Group, end

KILLED = 137
INTERRUPTED = 130
FAILED = 1
CONFIGURATION = 2
GO_ON = "Run it again: it goes on from what it has saved."


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: `ran`, `cached`, `waiting`, `interrupted` or `failed`, with its exit code and message."""

    stage: str
    state: str
    code: int = 0
    message: str = ""
    seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether the stage's output is there and current."""
        return self.state in ("ran", "cached")


def dvc_command(*arguments: str) -> list[str]:
    """A DVC command line of this environment, whatever stands first on the user's PATH."""
    return [str(Path(sys.executable).with_name("dvc")), *arguments]


def dvc_environment() -> dict[str, str]:
    """The environment in which `dvc` finds this environment's `python`."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def stale_stages() -> set[str]:
    """The stages that DVC would run again as things stand."""
    finished = subprocess.run(
        dvc_command("--wait-for-lock", "status", "--json"),
        env=dvc_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(json.loads(finished.stdout or "{}"))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@dataclass(frozen=True)
class Traces:
    """When a stage last wrote its status and its lock, 0 for never; compared for equality, for clocks can go back."""

    status: int
    lock: int

    @classmethod
    def of(cls, stage: str) -> "Traces":
        """As they stand now."""
        return cls(*(_written(Path("data", stage, name)) for name in ("status.json", "lock")))


def judge(stage: str, dvc_code: int, before: Traces, seconds: float) -> Outcome:
    """The outcome of a stage for which DVC ran so many seconds, from what the stage had left before and has left now.

    DVC itself ends with 255 whatever the stage's code was. A failure without a new status means that the stage was
    killed before it could write one, or that DVC could not start it.
    """
    if dvc_code < 0:
        return Outcome(stage, "failed", KILLED, f"DVC was ended by {signal.Signals(-dvc_code).name}. {GO_ON}", seconds)
    now = Traces.of(stage)
    is_new = now.status not in (0, before.status)
    if dvc_code == 0:
        return Outcome(stage, "ran" if is_new else "cached", seconds=seconds)
    if not is_new and now.lock != before.lock:
        return Outcome(stage, "failed", KILLED, f"killed, by hand or for want of memory. {GO_ON}", seconds)
    status = json.loads(Path("data", stage, "status.json").read_text()) if is_new else {"code": 0}
    if status["code"] == 0:
        return Outcome(stage, "failed", FAILED, f"DVC ended with {dvc_code}", seconds)
    return Outcome(stage, str(status["state"]), int(status["code"]), str(status["message"]), seconds)


@dataclass
class Reproducer:
    """Runs DVC for stages, at most `at_once` side by side, until `stop` is called; DVC's own words go to `logs`.

    `note` is told of every process group once it is there.
    """

    logs: Path
    note: Callable[[Group], None]
    at_once: int = 2
    _groups: set[Group] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._room = threading.BoundedSemaphore(self.at_once)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` has been called."""
        return self._stopped.is_set()

    def reproduce(self, stage: str, force: bool = False) -> Outcome:
        """Bring one stage up to date, its upstream being so."""
        with self._room:
            if self.is_stopped:
                return Outcome(stage, "interrupted", INTERRUPTED, "not started")
            before, began = Traces.of(stage), time.monotonic()
            options = ["--force"] if force else []
            process = self._start(dvc_command("--wait-for-lock", "repro", "--single-item", *options, stage), stage)
            group = Group.led_by(process.pid)
            self._groups.add(group)
            try:
                self.note(group)
                if self.is_stopped:  # since it was looked at
                    end([group])
                code = process.wait()
                if code < 0:  # DVC was killed: nobody would record what its stage goes on to write
                    end([group])
            except BaseException:
                end([group])
                raise
            finally:
                self._groups.discard(group)
            if self.is_stopped and code != 0:
                return Outcome(stage, "interrupted", INTERRUPTED, f"interrupted. {GO_ON}", time.monotonic() - began)
            return judge(stage, code, before, time.monotonic() - began)

    def _start(self, command: list[str], stage: str) -> subprocess.Popen[bytes]:
        # Progress and errors (stderr) belong to the terminal; what DVC says about itself is kept out of the way.
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{stage}.log").open("wb") as log:
            return subprocess.Popen(
                command, env=dvc_environment(), stdin=subprocess.DEVNULL, stdout=log, start_new_session=True
            )

    def stop(self) -> None:
        """End DVC and the stages, which save what they can; asked for again, it does not disturb them in that."""
        with self._stopping:
            if not self.is_stopped:
                self._stopped.set()
                end(list(self._groups))

"""Have DVC reproduce one stage, in a process group that can be stopped, and tell how the stage ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 30.0
KILLED = 137
INTERRUPTED = 130
FAILED = 1
CONFIGURATION = 2


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
        dvc_command("status", "--json"), env=dvc_environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return set(json.loads(finished.stdout or "{}"))


def _status(stage: str) -> tuple[int, dict[str, str | int]]:
    """When a stage's `status.json` was written (0 without one), and what it says."""
    path = Path("data", stage, "status.json")
    try:
        return path.stat().st_mtime_ns, json.loads(path.read_text())
    except (OSError, ValueError):
        return 0, {}


def _has_started(stage: str, since: float) -> bool:
    """Whether the stage took its lock after `since` (seconds since the epoch)."""
    lock = Path("data", stage, "lock")
    return lock.exists() and lock.stat().st_mtime >= since


def judge(stage: str, dvc_code: int, before: int, began: float) -> Outcome:
    """The outcome of a stage whose `status.json` was last written at `before` and for which DVC was started at `began`.

    DVC itself ends with 255 whatever the stage's code was. A failure without a new status means that the stage was
    killed before it could write one, or that DVC could not start it.
    """
    written, status = _status(stage)
    is_new = written > before
    seconds = time.time() - began
    if dvc_code == 0:
        return Outcome(stage, "ran" if is_new else "cached", seconds=seconds)
    if not is_new and _has_started(stage, began):
        return Outcome(stage, "failed", KILLED, "killed", seconds)
    if not is_new or status["code"] == 0:
        return Outcome(stage, "failed", FAILED, f"DVC ended with {dvc_code}", seconds)
    return Outcome(stage, str(status["state"]), int(status["code"]), str(status["message"]), seconds)


@dataclass
class Reproducer:
    """Runs DVC for stages, at most `at_once` side by side, until `stop` is called; DVC's own words go to `logs`."""

    logs: Path
    at_once: int = 2
    _processes: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)

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
            before, _ = _status(stage)
            began = time.time()
            options = ["--force"] if force else []
            process = self._start(dvc_command("--wait-for-lock", "repro", "--single-item", *options, stage), stage)
            try:
                code = process.wait()
            finally:
                self._processes.discard(process)
            return judge(stage, code, before, began)

    def _start(self, command: list[str], stage: str) -> subprocess.Popen[bytes]:
        # Progress and errors (stderr) belong to the terminal; what DVC says about itself is kept out of the way.
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{stage}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=dvc_environment(), stdin=subprocess.DEVNULL, stdout=log, start_new_session=True
            )
        self._processes.add(process)
        return process

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """Interrupt DVC and the stages as Ctrl-C would; kill what has not ended after `patience` seconds."""
        self._stopped.set()
        processes = list(self._processes)
        for process in processes:
            _signal_group(process, signal.SIGINT)
        deadline = time.monotonic() + patience
        for process in processes:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)

"""One process per stage."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from stages.errors import StageError
from stages.execution.lock import Holder, take_lock
from stages.execution.processes import Process, has_ended

ROOT = Path(__file__).parents[2]

HOLD = """
import ctypes, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from stages.execution.lock import take_lock
take_lock(Path(sys.argv[1]))
system = ctypes.CDLL(None)
system.strdup.restype = ctypes.c_void_p
pause, shell = (ctypes.cast(function, ctypes.c_void_p) for function in (system.pause, system.system))
# The last come first: once Python has gone, where a library's own end may take seconds, say so, and stay.
system.__cxa_atexit(pause, None, None)
system.__cxa_atexit(shell, ctypes.c_void_p(system.strdup(b"echo held")), None)
"""


LEAVE_A_THREAD = """
import ctypes, os, sys, threading, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from stages.execution.lock import take_lock
take_lock(Path(sys.argv[1]))
threading.Thread(target=lambda: (time.sleep(1), os._exit(0))).start()
print("held", flush=True)
ctypes.CDLL(None).syscall(60, 0)  # exit, of this thread alone
"""


def hold(lock: Path, program: str = HOLD) -> subprocess.Popen[str]:
    """A process that holds the lock, its work done, on its way out."""
    process = subprocess.Popen([sys.executable, "-c", program, str(lock), str(ROOT)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def wait_until_ended(pid: int) -> None:
    """Wait until the system shows a process as ended."""
    while not has_ended(psutil.Process(pid)):
        time.sleep(0.01)


@contextmanager
def left_alone(lock: Path) -> Iterator[None]:
    """A process holds the lock through the block; after it the lock is refused with its name, and it still lives."""
    holder = hold(lock)
    try:
        yield
        with pytest.raises(StageError, match=f"process {holder.pid} holds"):
            take_lock(lock)
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()


def ended_process() -> Process:
    """A process that has been there and is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(child.pid).create_time()
    child.wait()
    return Process(child.pid, started)


def test_a_live_holder_is_left_alone_and_named(tmp_path: Path) -> None:
    with left_alone(tmp_path / "lock"):
        pass


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = hold(lock)
    holder.kill()
    holder.wait()
    take_lock(lock)
    assert Holder.read(lock.read_text()) == Holder.current()


def test_a_holder_that_dvc_has_left_behind_is_stopped(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = hold(lock)
    content = json.loads(lock.read_text())
    lock.write_text(json.dumps(content | {"dvc": asdict(ended_process())}))
    take_lock(lock)
    assert has_ended(psutil.Process(process.pid))
    process.wait()


def test_the_lock_of_a_process_that_shows_as_ended_comes_free_with_its_last_thread(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = hold(lock, LEAVE_A_THREAD)
    wait_until_ended(process.pid)
    take_lock(lock)
    assert Holder.read(lock.read_text()) == Holder.current()
    assert process.wait() == 0


def test_a_clock_that_was_set_back_frees_no_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with left_alone(lock):
        content = json.loads(lock.read_text())
        content["process"]["started"] += 3600
        lock.write_text(json.dumps(content | {"dvc": asdict(ended_process())}))

"""Processes told apart by number and start time."""

import subprocess
import sys
import time

import psutil

from stages.execution.processes import Process, has_ended, stop


def test_this_process_is_found() -> None:
    assert Process.of().find() == psutil.Process()


def test_a_reused_process_number_is_not_mistaken_for_the_holder() -> None:
    me = psutil.Process()
    assert Process(me.pid, me.create_time()).find() == me
    assert Process(me.pid, me.create_time() - 100).find() is None


def test_what_ignores_the_request_to_end_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    stop(psutil.Process(process.pid), seconds=0.5)
    assert time.monotonic() - began > 0.4
    # Nobody has taken it off the list yet.
    assert has_ended(psutil.Process(process.pid))
    process.wait()

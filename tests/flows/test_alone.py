"""A killed run's records are closed by the next; what cannot be closed is said and stops nobody."""

import os
import socket
import uuid

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.alone import Begun, end_left_behind


def test_a_server_that_does_not_answer_keeps_no_run_from_starting(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:  # and not listening: whoever connects is refused
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            end_left_behind(Begun(os.getpid(), str(uuid.uuid4())))
    printed = capsys.readouterr()
    assert printed.out == f"ending what the killed run of process {os.getpid()} has left behind\n"
    (line,) = printed.err.splitlines()
    assert line.startswith("WARNING: Prefect still shows it at work: ")

"""Ports and addresses of this checkout's servers; the whole-pipeline test starts the server itself."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.pipeline import run_once
from flows.server import HOST, PrefectServer, ServerError, answers, free_port, prefect_server, wait_until


def test_a_taken_port_is_left_alone() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert free_port(taken) != taken


def test_a_free_port_is_taken_as_asked() -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free = probe.getsockname()[1]
    assert free_port(free) == free


def test_answers_tells_a_server_from_silence() -> None:
    with http.server.HTTPServer((HOST, 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request).start()
        assert answers(f"http://{HOST}:{server.server_port}/")
    assert not answers(f"http://{HOST}:{server.server_port}/")


def test_a_server_that_ends_before_it_answers_names_its_log(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    with pytest.raises(ServerError, match=r"did not start.*server\.log"):
        wait_until(lambda: False, process, tmp_path / "server.log")
    process.wait()


def test_another_s_server_on_the_port_is_not_taken_for_this_one(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(2)"])
    with pytest.raises(ServerError, match="did not start"):
        wait_until(lambda: True, process, tmp_path / "server.log")
    process.wait()


def test_a_record_that_was_cut_off_is_no_server(tmp_path: Path) -> None:
    server = PrefectServer(tmp_path)
    server.record.write_text('{"url": "http')
    assert server._running() is None


def test_a_server_that_the_user_names_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one says 404 to all: a server may ask for a key first, which is for Prefect to give."""
    with http.server.HTTPServer((HOST, 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://{HOST}:{server.server_port}/api")
        with prefect_server() as url:
            assert url == f"http://{HOST}:{server.server_port}/api"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where something listens and never says a word."""
    with socket.create_server((HOST, 0)) as silent:
        yield silent.getsockname()[1]


@pytest.mark.parametrize("place", ["http://{host}:{silent}/api", "http://{host}:9/api", "http://x.invalid/api", "x"])
def test_a_server_that_the_user_names_and_that_does_not_answer_is_one_line(
    silent_port: int, place: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url = place.format(host=HOST, silent=silent_port)
    monkeypatch.setenv("PREFECT_API_URL", url)
    assert run_once(None, False) == 2
    (line,) = capfd.readouterr().out.splitlines()
    assert line.startswith(f"pipeline: PREFECT_API_URL does not answer: {url}: ")
    assert line.endswith("unset PREFECT_API_URL for this checkout's own.; exit code 2")


def test_a_port_that_another_server_takes_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        taken = other.getsockname()[1]
        tried: list[int] = []

        def start(server: PrefectServer, port: int) -> str:
            tried.append(port)
            if len(tried) == 1:
                raise ServerError("address already in use")
            return f"http://{HOST}:{port}/api"

        # As if it had been free when it was looked at.
        monkeypatch.setattr(PrefectServer, "_start", start)
        monkeypatch.setattr("flows.server.free_port", lambda port: free_port(port) if tried else taken)
        assert PrefectServer(tmp_path)._start_where_free() == f"http://{HOST}:{tried[1]}/api"
        assert tried[0] == taken
        assert tried[1] != taken


def test_marks_of_dead_users_do_not_keep_a_server_up(tmp_path: Path) -> None:
    server = PrefectServer(tmp_path)
    (server.users / "999999999").touch()
    (server.users / str(os.getpid())).touch()
    assert not server._others()
    (server.users / "1").touch()
    assert server._others()

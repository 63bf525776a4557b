"""What the operation gives away: nothing listens beyond loopback, nothing is looked up, no secret is written down."""

import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from flows.server import HOST
from stages.tracking.entries import reason
from stages.tracking.messages import Begin, pack
from tests.isolation import isolated, refusal
from tests.projects import ROOT, Project, Server, copy_of_this

SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "MLFLOW_TRACKING_PASSWORD")
"""Passed to every process of the run."""
PLANTED = {"GIT": ".git/config", "DVC": ".dvc/config.local"}
"""Secrets in the settings of tools, and the only file that may hold each."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_of_this(tmp_path_factory.mktemp("security") / "checkout")


@dataclass(frozen=True)
class Watched:
    """A run of the whole tiny pipeline with planted secrets, and what it tried in a network of loopback alone."""

    project: Project
    secrets: dict[str, str]
    code: int
    output: str
    tried: dict[str, Any] | None
    """None where this machine has no such network; the run then took place in its own."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("watched")
    project, record = copy_of_this(folder / "checkout"), folder / "record.json"
    planted = {name: secrets.token_hex(16) for name in (*SECRET_VARIABLES, *PLANTED)}
    for command in (
        ("git", "remote", "add", "origin", f"https://someone:{planted['GIT']}@example.invalid/checkout.git"),
        ("dvc", "remote", "add", "--default", "storage", "https://example.invalid/storage"),
        ("dvc", "remote", "modify", "--local", "storage", "password", planted["DVC"]),
    ):
        assert project.run(*command)[0] == 0
    flow = ("python", "-m", "flows.pipeline")
    command = flow if refusal() else tuple(isolated(record, *flow))
    code, output = project.run(*command, **{name: planted[name] for name in SECRET_VARIABLES})
    tried = json.loads(record.read_text()) if record.exists() else None
    return Watched(project, planted, code, output, tried)


@pytest.fixture(scope="module")
def tried(watched: Watched) -> dict[str, Any]:
    if watched.tried is None:
        pytest.skip(f"NOT TESTED, whether anything leaves: no namespaces here ({refusal()}); run this test as root")
    assert watched.code == 0, watched.output
    return watched.tried


@pytest.mark.slow
@pytest.mark.usefixtures("tried")
def test_the_pipeline_runs_where_there_is_no_network(watched: Watched) -> None:
    assert watched.output.splitlines()[-1] == "pipeline: done; exit code 0"


@pytest.mark.slow
def test_no_name_is_looked_up_and_no_address_is_tried(tried: dict[str, Any]) -> None:
    assert tried["look_ups"] == []
    assert tried["unrouted"] == 0


@pytest.mark.slow
def test_no_stage_listens_beyond_loopback(tried: dict[str, Any]) -> None:
    assert tried["listening"] == []


LEAKS = """
import socket, time

for reach in (lambda: socket.getaddrinfo("telemetry.example", 443), lambda: socket.create_connection(("192.0.2.1", 1))):
    try:
        reach()
    except OSError:
        pass
waits = socket.create_server(("0.0.0.0", 4321))
time.sleep(2)
"""


def test_what_does_leave_is_noticed(tmp_path: Path) -> None:
    if reason_of_refusal := refusal():
        pytest.skip(f"NOT TESTED, whether leaks are noticed: no namespaces here ({reason_of_refusal}); run it as root")
    record = tmp_path / "record.json"
    subprocess.run(isolated(record, sys.executable, "-c", LEAKS), cwd=ROOT, check=True)
    assert json.loads(record.read_text()) == {
        "look_ups": ["telemetry.example"],
        "unrouted": 1,
        "listening": ["0.0.0.0:4321"],
    }


def content(path: Path) -> bytes:
    """What a file says: Parquet is compressed and is read as what it holds."""
    return repr(pq.read_table(path).to_pydict()).encode() if path.suffix == ".parquet" else path.read_bytes()


def holders(folder: Path, secret: str) -> set[str]:
    """The files below a folder in which a text stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files if secret.encode() in content(path)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SECRET_VARIABLES)
def test_a_secret_of_the_environment_is_written_nowhere(watched: Watched, name: str) -> None:
    assert watched.code == 0, watched.output
    assert watched.secrets[name] not in watched.output
    assert holders(watched.project.folder, watched.secrets[name]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_secret_of_a_tool_stays_in_its_settings(watched: Watched, name: str) -> None:
    assert watched.secrets[name] not in watched.output
    assert holders(watched.project.folder, watched.secrets[name]) == {PLANTED[name]}


@pytest.mark.parametrize("module", ["stages.tracking.store", "stages.tracking.writer"])
def test_the_password_of_a_server_that_does_not_answer_is_not_shown(project: Project, module: str) -> None:
    with socket.socket() as bound:  # and not listening: whoever connects is refused
        bound.bind((HOST, 0))
        uri = f"http://someone:pass%2Fword@{HOST}:{bound.getsockname()[1]}"
        finished = subprocess.run(
            [sys.executable, "-m", module],
            cwd=project.folder,
            env=project.environment(MLFLOW_TRACKING_URI=uri, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"),
            input=pack(Begin("clean", {}, {}, 0, "data/clean/tracking.json", "")),
            capture_output=True,
            text=True,
            check=False,
        )
    assert finished.returncode in (1, 2)
    (line,) = finished.stderr.splitlines()
    assert f"http://***@{HOST}" in line
    assert "someone" not in finished.stdout + finished.stderr
    assert "word" not in finished.stdout + finished.stderr


@pytest.mark.parametrize("user", ["someone:word", "token", "a:b@c"])
def test_a_reason_leaves_out_who_asks(user: str) -> None:
    assert reason(OSError(f"no\n answer: http://{user}@host:1/a@b")) == "OSError: no answer: http://***@host:1/a@b"


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> str:
    """The first line of a process's output that begins so."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(beginning):
            return line
    raise AssertionError("".join(seen))


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A process and all below it that live."""
    parent = psutil.Process(process.pid)
    found = [parent, *parent.children(recursive=True)]
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """The addresses on which some processes wait for others."""
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections(kind="inet")
        if not connection.raddr and connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }


@pytest.fixture(scope="module")
def servers(project: Project) -> Iterator[list[psutil.Process]]:
    """The processes of both pages and of the flow served on a schedule."""
    pages = project.start("python", "-m", "flows.server")
    schedule = None
    try:
        server = Server(wait_for_line(pages, "flow ").split()[1].removesuffix("/runs") + "/api")
        wait_for_line(pages, "Ctrl-C")
        schedule = project.start("python", "-m", "flows.pipeline", "serve")
        wait_for_line(schedule, "schedule: ")
        deadline = time.monotonic() + 120
        while not server.ask("deployments/filter", {}) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert server.ask("deployments/filter", {})
        yield family(pages) + family(schedule)
    finally:
        for process in (schedule, pages):
            if process:
                process.terminate()
                process.communicate(timeout=120)


@pytest.mark.slow
def test_servers_listen_on_loopback_alone(servers: list[psutil.Process]) -> None:
    found = listening(servers)
    assert len(found) >= 2, "two servers are up"
    assert {host for host, _ in found} == {HOST}


@pytest.mark.slow
def test_no_command_line_shows_where_the_runs_are_kept(servers: list[psutil.Process]) -> None:
    """Every user of the machine sees it, and the address of a database may hold a password."""
    words = [word for process in servers for word in process.cmdline()]
    assert any("mlflow" in word for word in words)
    assert [word for word in words if "mlflow.db" in word] == []

"""The served flow: a run that is missed, that overlaps or that fails is on record and leaves the next one intact."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.flows.four_stages import set_parameters, wait_for
from tests.projects import ROOT, Project, Server

OPERATIONS = ROOT / "docs/operations.md"


@contextmanager
def served(project: Project, server: Server) -> Iterator[str]:
    """The flow's deployment, served for the body as `make schedule` does; its id."""
    command = ("python", "-m", "flows.pipeline", "serve", "--cron", "0 3 1 1 *")
    serving = project.start(*command, HEADWATER_TRACKING="off")
    try:
        yield wait_for(lambda: [one for one in server.ask("deployments/filter", {}) if not one["paused"]])[0]["id"]
    finally:
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=120)


def order_run(server: Server, deployment: str, at: datetime) -> str:
    """Put a run on the schedule; its id."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
    return str(server.ask(f"deployments/{deployment}/create_flow_run", {"state": state})["id"])


def ended(server: Server, run: str) -> dict[str, Any]:
    """A run once it has ended."""

    def find() -> list[dict[str, Any]]:
        runs = server.ask("flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return [one for one in runs if one["end_time"]]

    return wait_for(find)[0]


def test_the_schedule_is_on_record(server: Server, project: Project) -> None:
    with served(project, server) as deployment:
        (found,) = server.ask("deployments/filter", {"deployments": {"id": {"any_": [deployment]}}})
    assert found["schedules"][0]["schedule"]["cron"] == "0 3 1 1 *"
    assert found["parameters"] == {"from_stage": None, "force": False}


@pytest.mark.slow
def test_a_missed_run_is_made_up_for_and_runs_do_not_overlap(server: Server, project: Project) -> None:
    set_parameters(project, 0, seed=20)
    with served(project, server) as deployment:
        pass
    now = datetime.now(UTC)
    missed = order_run(server, deployment, now - timedelta(hours=1))
    with served(project, server):
        beside = order_run(server, deployment, now)
        runs = [ended(server, missed), ended(server, beside)]
    assert [run["state_name"] for run in runs] == ["Completed", "Completed"]
    first, second = sorted(runs, key=lambda run: run["start_time"])
    assert first["end_time"] <= second["start_time"]


class Mailbox(http.server.BaseHTTPRequestHandler):
    """Takes in what a notification posts."""

    received: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def mailbox() -> Iterator[str]:
    """The address of a server that fills `Mailbox.received`."""
    with http.server.HTTPServer(("127.0.0.1", 0), Mailbox) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/"
        listening.shutdown()


@pytest.mark.slow
def test_the_documented_notification_tells_of_failed_and_waiting_runs_and_the_next_run_is_intact(
    server: Server, project: Project, mailbox: str, tmp_path: Path
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    code = re.sub(r"https://hooks\S+?(?=\")", mailbox, snippet)
    assert mailbox in code
    variables = project.environment(PREFECT_API_URL=server.url, PREFECT_HOME=str(tmp_path))
    subprocess.run([sys.executable, "-c", code], cwd=project.folder, env=os.environ | variables, check=True)
    with served(project, server) as deployment:
        set_parameters(project, 0, waiting="left", seed=21)
        waiting = ended(server, order_run(server, deployment, datetime.now(UTC)))
        set_parameters(project, 0, seed=21)
        project.edit("params.yaml", "right: {seed: 21", "right: {misspelt: 21")
        failed = ended(server, order_run(server, deployment, datetime.now(UTC)))
        set_parameters(project, 0, seed=22)
        intact = ended(server, order_run(server, deployment, datetime.now(UTC)))
    assert [run["state_name"] for run in (waiting, failed, intact)] == ["Waiting", "Failed", "Completed"]
    texts = wait_for(lambda: Mailbox.received if len(Mailbox.received) == 2 else [])
    assert "Waiting: left waiting: nobody has judged" in texts[0]
    assert "Failed: not started: bad parameters: right." in texts[1]

"""The flow over four small stages: side by side, waiting, interrupted, killed, cancelled, and from a given stage on."""

import json
import signal

import psutil
import pytest

from flows import parameters
from tests.flows.four_stages import (
    cancel,
    processes_in,
    set_parameters,
    start_a_long_flow,
    wait_for,
    wait_for_start,
)
from tests.projects import Project, Server


def test_independent_stages_run_side_by_side(server: Server, project: Project) -> None:
    set_parameters(project, 3)
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert code == 0, output
    tasks = server.tasks()
    assert tasks["left"]["start_time"] < tasks["right"]["end_time"]
    assert tasks["right"]["start_time"] < tasks["left"]["end_time"]
    assert tasks["last"]["start_time"] >= max(tasks["left"]["end_time"], tasks["right"]["end_time"])


def test_a_stage_that_waits_for_people_has_a_state_of_that_name(server: Server, project: Project) -> None:
    set_parameters(project, 0, waiting="left")
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert (code, output.splitlines()[-1]) == (
        4,
        "pipeline: left waiting: nobody has judged: here. Judge.; exit code 4",
    )
    assert server.states() == {"collect": "Ran", "left": "Waiting", "right": "Ran", "last": "NotReady"}


def test_from_a_stage_on_with_force_runs_it_and_what_lies_behind(server: Server, project: Project) -> None:
    set_parameters(project, 0)
    assert project.flow(HEADWATER_TRACKING="off")[0] == 0
    assert project.flow("--from-stage", "right", "--force", HEADWATER_TRACKING="off")[0] == 0
    assert server.states() == {"right": "Ran", "last": "Ran"}


@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGTERM, signal.SIGHUP))]
)
def test_ctrl_c_a_request_to_end_and_a_closed_terminal_end_the_stages_with_130(
    server: Server, project: Project, number: signal.Signals
) -> None:
    flow = start_a_long_flow(project, seed=100 + number)
    flow.send_signal(number)
    output, _ = flow.communicate(timeout=120)
    assert (flow.returncode, output.splitlines()[-1]) == (
        130,
        "pipeline: interrupted. Run it again: it goes on from what it has saved.; exit code 130",
    )
    assert processes_in(project) == []
    assert server.states()["collect"] == "Interrupted"
    assert server.flow_run()["state_type"] == "CANCELLED"


def test_a_cancel_from_the_page_ends_the_stages(server: Server, project: Project) -> None:
    flow = start_a_long_flow(project, seed=3)
    cancel(server)
    output, _ = flow.communicate(timeout=120)
    assert flow.returncode == 130, output
    assert processes_in(project) == []
    assert server.flow_run()["state_type"] == "CANCELLED"


@pytest.mark.slow
def test_a_cancel_from_the_page_ends_the_stages_of_a_served_run(server: Server, project: Project) -> None:
    set_parameters(project, 1000, seed=4)
    serving = project.start("python", "-m", "flows.pipeline", "serve", "--cron", "0 3 1 1 *", HEADWATER_TRACKING="off")
    try:
        deployment = wait_for(lambda: server.ask("deployments/filter", {})[:1])[0]
        server.ask(f"deployments/{deployment['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})
        wait_for_start(project, "collect")
        cancel(server)
        wait_for(lambda: not processes_in(project))
        wait_for(lambda: server.flow_run()["state_type"] == "CANCELLED")
    finally:
        serving.send_signal(signal.SIGINT)
        output, _ = serving.communicate(timeout=120)
    assert "runs are shown at" in output


@pytest.mark.slow
def test_a_second_run_beside_the_first_is_refused_and_the_first_goes_on(server: Server, project: Project) -> None:
    flow = start_a_long_flow(project, seed=5)
    first = server.flow_run()["id"]
    code, output = project.flow(HEADWATER_TRACKING="off")
    refusal = f"pipeline: not started: process {flow.pid} runs the flow here: wait until it ends, or stop it"
    assert (code, output.splitlines()[-1]) == (2, f"{refusal}; exit code 2")
    assert server.flow_run()["state_type"] == "FAILED"
    assert processes_in(project)
    server.ask(f"flow_runs/{first}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    flow.communicate(timeout=120)


def test_what_a_killed_flow_left_is_ended_and_closed_by_the_next(server: Server, project: Project) -> None:
    flow = start_a_long_flow(project, seed=6)
    first = server.flow_run()["id"]
    flow.kill()
    flow.wait()  # what it has left behind still holds its output open
    left_behind = processes_in(project)
    set_parameters(project, 0, seed=7)
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert left_behind
    assert code == 0, output
    assert f"ending what the killed run of process {flow.pid} has left behind" in output
    assert processes_in(project) == []
    (run,) = server.ask("flow_runs/filter", {"flow_runs": {"id": {"any_": [first]}}})
    assert run["state_type"] == "CRASHED"
    tasks = server.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [first]}}})
    assert {task["state_type"] for task in tasks} <= {"COMPLETED", "CRASHED"}


def test_a_killed_server_is_started_again_and_the_run_goes_on(server: Server, project: Project) -> None:
    set_parameters(project, 5, seed=8)
    flow = project.start("python", "-m", "flows.pipeline", HEADWATER_TRACKING="off")
    wait_for_start(project, "collect")
    psutil.Process(json.loads((project.folder / ".prefect/server.json").read_text())["pid"]).kill()
    output, _ = flow.communicate(timeout=300)
    assert flow.returncode == 0, output
    assert server.flow_run()["state_type"] == "COMPLETED"


def test_a_stage_that_is_not_there_is_named_with_those_that_are(server: Server, project: Project) -> None:
    code, output = project.flow("--from-stage", "pretain", HEADWATER_TRACKING="off")
    assert code == 2
    assert "not started: no stage 'pretain'; there are collect, left, right, last" in output


@pytest.mark.parametrize("from_stage", [(), ("--from-stage", "right")])
def test_wrong_parameters_of_all_stages_are_named_before_any_starts(
    server: Server, project: Project, from_stage: tuple[str, ...]
) -> None:
    set_parameters(project, 0, seed=4)
    project.edit("params.yaml", "left: {seed: 4, seconds: 0,", "left: {sed: 4, seconds: .nan,")
    project.edit("params.yaml", "last: {seed: 4", "last: {seed: 4.5")
    began = {path: path.stat().st_mtime_ns for path in project.folder.glob("data/*/lock")}
    code, output = project.flow(*from_stage, HEADWATER_TRACKING="off")
    line = output.splitlines()[-1]
    assert code == 2, output
    assert line.startswith("pipeline: not started: bad parameters: ")
    assert line.endswith(". Edit params.yaml.; exit code 2")
    assert ("left.seed: Field required; left.seconds: Input should be a finite number; left.sed: " in line) == (
        not from_stage
    )
    assert "last.seed: Input should be a valid integer" in line
    assert {path: path.stat().st_mtime_ns for path in project.folder.glob("data/*/lock")} == began
    assert server.flow_run()["state_type"] == "FAILED"


def test_what_was_found_in_order_is_looked_at_again_once_it_has_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_parameters(project, 0, seed=5)
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("PREFECT_HOME", str(project.folder / ".prefect"))
    assert parameters.wrong_parameters(None) == ""
    parameters.begin_check(None)
    assert parameters._begun[None].process is None  # in order, and nothing has changed
    parameters.leave_check(None)
    project.edit("params.yaml", "left: {seed: 5, seconds: 0,", "left: {seed: 5, seconds: .nan,")
    assert "left.seconds: Input should be a finite number" in parameters.wrong_parameters(None)
    assert "left.seconds: Input should be a finite number" in parameters.wrong_parameters(None)
    assert parameters.wrong_parameters("right") == ""
    set_parameters(project, 0, seed=5)
    (project.folder / "stages/left.py").touch()
    parameters.begin_check(None)
    assert parameters._begun[None].process is not None
    parameters.leave_check(None)


def test_a_wrong_parameter_is_named_before_what_it_leads_to(server: Server, project: Project) -> None:
    set_parameters(project, 0, seed=4)
    project.edit("params.yaml", "collect: {seed: 4, seconds: 0, wait: false, sources: []}", "collect: {sources: 3}")
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert code == 2, output
    assert "collect.seed: Field required" in output.splitlines()[-1]
    assert "collect.sources: Input should be a valid list" in output.splitlines()[-1]


@pytest.mark.parametrize(
    "content", ["", *(pytest.param(one, marks=pytest.mark.slow) for one in ("collect", "[collect]"))]
)
def test_a_file_without_sections_is_a_bad_configuration(server: Server, project: Project, content: str) -> None:
    (project.folder / "params.yaml").write_text(content)
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert code == 2, output
    assert output.splitlines()[-1].startswith("pipeline: not started: no sections: params.yaml. It holds ")


def test_parameters_that_cannot_be_read_are_a_bad_configuration(server: Server, project: Project) -> None:
    (project.folder / "params.yaml").write_text("collect: [")
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert code == 2, output
    assert output.splitlines()[-1].startswith("pipeline: not started: cannot read parameters: params.yaml. ")

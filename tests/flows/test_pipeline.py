"""The flow over four small stages: side by side, waiting, interrupted, cancelled, and from a given stage on."""

import signal
from collections.abc import Iterator

import psutil
import pytest

from flows.server import PrefectServer
from tests.flows.small_pipeline import set_parameters, small_pipeline, wait_for_start
from tests.projects import Project, Server


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return small_pipeline(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    """The project's server, kept for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        with PrefectServer(project.folder / ".prefect").use() as url:
            yield Server(url)


def processes_in(project: Project) -> list[str]:
    """What still runs in the project's folder, its server aside."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if process.cwd() == str(project.folder) and "stages." in command + " dvc repro" and "server" not in command:
                found.append(command)
        except psutil.Error:
            continue
    return [command for command in found if "repro" in command or "stages." in command]


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


def test_ctrl_c_ends_the_stages_and_exits_with_130(server: Server, project: Project) -> None:
    set_parameters(project, 100, seed=2)
    flow = project.start("python", "-m", "flows.pipeline", HEADWATER_TRACKING="off")
    wait_for_start(project, "collect")
    flow.send_signal(signal.SIGINT)
    output, _ = flow.communicate(timeout=120)
    assert (flow.returncode, output.splitlines()[-1]) == (130, "pipeline: interrupted; exit code 130")
    assert processes_in(project) == []
    assert server.states()["collect"] == "Interrupted"
    assert server.flow_run()["state_type"] == "CANCELLED"


def test_a_cancel_from_the_page_ends_the_stages(server: Server, project: Project) -> None:
    set_parameters(project, 100, seed=3)
    flow = project.start("python", "-m", "flows.pipeline", HEADWATER_TRACKING="off")
    wait_for_start(project, "collect")
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    server.ask(f"flow_runs/{server.flow_run()['id']}/set_state", cancelling)
    output, _ = flow.communicate(timeout=120)
    assert flow.returncode == 130, output
    assert processes_in(project) == []
    assert server.flow_run()["state_type"] == "CANCELLED"


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


def test_a_wrong_parameter_is_named_before_what_it_leads_to(server: Server, project: Project) -> None:
    set_parameters(project, 0, seed=4)
    project.edit("params.yaml", "collect: {seed: 4, seconds: 0, wait: false, sources: []}", "collect: {sources: 3}")
    code, output = project.flow(HEADWATER_TRACKING="off")
    assert code == 2, output
    assert "collect.seed: Field required" in output.splitlines()[-1]
    assert "collect.sources: Input should be a valid list" in output.splitlines()[-1]


@pytest.mark.parametrize("content", ["", "collect", "[collect]"])
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

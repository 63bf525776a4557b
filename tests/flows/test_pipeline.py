"""The flow over four small stages: side by side, waiting, interrupted, cancelled, and from a given stage on."""

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.server import PrefectServer
from tests.projects import ROOT, Project, Server

STAGE = '''
"""A stage that takes its time."""

import time
from pathlib import Path

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section


class Params(Section):
    seed: int
    seconds: float
    wait: bool
    sources: list[dict[str, list[str]]]


def run(params: Params, {arguments}, output: Path) -> Metrics:
    """Sleep, or wait for people."""
    (output / "started").touch()
    time.sleep(params.seconds)
    if params.wait:
        raise StageError(ExitCode.WAITING_FOR_PEOPLE, "nobody has judged", "here", "Judge.")
    (output / "product.txt").write_text("{name}")
    return {{"things": 3}}


if __name__ == "__main__":
    command("{name}", run)
'''
INPUTS = {
    "collect": ["data/sources.json"],
    "left": ["data/collect/product.txt"],
    "right": ["data/collect/product.txt"],
    "last": ["data/left/product.txt", "data/right/product.txt"],
}


def write_stage(folder: Path, name: str, inputs: list[str]) -> str:
    """Write a stage's module; its entry of dvc.yaml."""
    arguments = [f"input_{number}" for number in range(len(inputs))]
    source = STAGE.format(name=name, arguments=", ".join(f"{argument}: Path" for argument in arguments))
    (folder / f"stages/{name}.py").write_text(source)
    options = " ".join(f"--{a.replace('_', '-')} {path}" for a, path in zip(arguments, inputs, strict=True))
    return (
        f"  {name}:\n    cmd: python -m stages.{name} {options} --output data/{name}\n    params: [{name}]\n"
        f"    deps: [stages/{name}.py, {', '.join(inputs)}]\n    outs: [data/{name}/product.txt]\n"
        f"    metrics:\n      - data/{name}/metrics.json: {{cache: false}}\n"
    )


def set_parameters(project: Project, seconds: float, waiting: str = "", seed: int = 1) -> None:
    """Give every stage the same values, but let one wait for people."""
    sections = [
        f"{name}: {{seed: {seed}, seconds: {seconds}, wait: {str(name == waiting).lower()}, sources: []}}\n"
        for name in INPUTS
    ]
    (project.folder / "params.yaml").write_text("".join(sections))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("small")
    for path in (ROOT / "stages").glob("*.py"):
        if "\n    command(" not in path.read_text():
            (folder / "stages").mkdir(exist_ok=True)
            shutil.copyfile(path, folder / "stages" / path.name)
    for name in ("stages/execution", "stages/tracking", "flows", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
    for name in ("environment.py", ".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
    pipeline = [write_stage(folder, name, inputs) for name, inputs in INPUTS.items()]
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(pipeline))
    project = Project(folder)
    set_parameters(project, 0)
    project.commit()
    return project


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    """The project's server, kept for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        with PrefectServer(project.folder / ".prefect").use() as url:
            yield Server(url)


def wait_for_start(project: Project, stage: str) -> None:
    """Wait until a stage is at work."""
    mark = project.folder / f"data/{stage}/unfinished/started"
    deadline = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mark.exists()
    mark.unlink()


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

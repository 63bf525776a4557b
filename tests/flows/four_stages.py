"""A project of four stages that sleep as long as they are told, under the real flow, and what tests ask of it."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

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


def four_stages(folder: Path) -> Project:
    """The project, committed, with stages that do not sleep; collect before left and right, both before last."""
    for path in (ROOT / "stages").glob("*.py"):
        if "\n    command(" not in path.read_text():
            (folder / "stages").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "stages" / path.name)
    for name in ("stages/cluster", "stages/execution", "stages/tracking", "flows", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
    for name in ("environment.py", ".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
    pipeline = [write_stage(folder, name, inputs) for name, inputs in INPUTS.items()]
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(pipeline))
    project = Project(folder)
    set_parameters(project, 0)
    project.commit()
    return project


def wait_for_start(project: Project, stage: str) -> None:
    """Wait until a stage is at work."""
    mark = project.folder / f"data/{stage}/unfinished/started"
    deadline = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mark.exists()
    mark.unlink()


def wait_for(find: Callable[[], Any]) -> Any:
    """The first answer that is not empty."""
    deadline = time.monotonic() + 120
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found
    return found


def cancel(server: Server) -> None:
    """Cancel the newest run as the page does."""
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    server.ask(f"flow_runs/{server.flow_run()['id']}/set_state", cancelling)


def processes_in(project: Project) -> list[str]:
    """The command lines of DVC and of stages that run in the project's folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if process.cwd() == str(project.folder) and (" repro " in command or " -m stages." in command):
                found.append(command)
    return found


def start_a_long_flow(project: Project, seed: int) -> subprocess.Popen[str]:
    """The flow, once its first stage is at work for as long as nobody ends it."""
    set_parameters(project, 1000, seed=seed)
    flow = project.start("python", "-m", "flows.pipeline", HEADWATER_TRACKING="off")
    wait_for_start(project, "collect")
    return flow

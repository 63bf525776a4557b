"""Four stages that take their time, run by the real commands around this project's real modules."""

import shutil
import time
from pathlib import Path

from tests.projects import ROOT, Project

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


def small_pipeline(folder: Path) -> Project:
    """A project of the four stages, committed; collect before left and right, both before last."""
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


def wait_for_start(project: Project, stage: str) -> None:
    """Wait until a stage is at work."""
    mark = project.folder / f"data/{stage}/unfinished/started"
    deadline = time.monotonic() + 120
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mark.exists()
    mark.unlink()

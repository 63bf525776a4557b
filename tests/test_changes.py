"""What a stage depends on changes while the stage runs under DVC: it fails, and DVC never takes it for fresh."""

import json
from collections.abc import Callable

import pytest
from ruamel.yaml import YAML

from tests.flows.four_stages import four_stages, set_parameters, wait_for_start
from tests.projects import Project

pytestmark = pytest.mark.slow

SECONDS = 2


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four stages that have run."""
    project = four_stages(tmp_path_factory.mktemp("changes"))
    assert project.run("python", "-m", "flows.sources")[0] == 0
    reproduce(project, "last")
    return project


def reproduce(project: Project, stage: str) -> None:
    """Have DVC bring a stage up to date."""
    code, output = project.run("dvc", "repro", stage, HEADWATER_TRACKING="off")
    assert code == 0, output


def append(path: str, text: str) -> Callable[[Project], None]:
    """An edit that appends to a file."""

    def edit(project: Project) -> None:
        with (project.folder / path).open("a") as file:
            file.write(text)

    return edit


def rewrite(path: str) -> Callable[[Project], None]:
    """The same bytes under the same name: whoever wrote them may have written others in between."""

    def edit(project: Project) -> None:
        content = (project.folder / path).read_bytes()
        (project.folder / path).unlink()
        (project.folder / path).write_bytes(content)

    return edit


CHANGES = {
    "an input": ("data/collect/product.txt", append("data/collect/product.txt", "more")),
    "an input, written again": ("data/collect/product.txt", rewrite("data/collect/product.txt")),
    "the stage's code": ("stages/left.py", append("stages/left.py", "# a thought\n")),
    "its parameters": ("params.yaml", lambda project: set_parameters(project, SECONDS, seed=99)),
}


@pytest.mark.parametrize(
    ("change", "is_first_run"), [*((change, False) for change in CHANGES), ("an input", True)], ids=str
)
def test_a_stage_whose_dependency_changes_fails_and_stays_stale(
    project: Project, change: str, is_first_run: bool
) -> None:
    path, edit = CHANGES[change]
    set_parameters(project, SECONDS, seed=2 + 2 * list(CHANGES).index(change) + is_first_run)
    reproduce(project, "collect")
    before = {name: stage for name, stage in project.lock().items() if name != "left" or not is_first_run}
    YAML(typ="safe").dump({"schema": "2.0", "stages": before}, project.folder / "dvc.lock")
    running = project.start("dvc", "repro", "--single-item", "left", HEADWATER_TRACKING="off")
    wait_for_start(project, "left")
    edit(project)
    output, _ = running.communicate()
    assert running.returncode != 0, output
    assert f"left: changed while running: {path}. " in output
    assert project.lock() == before
    assert "left" in json.loads(project.run("dvc", "status", "--json")[1])
    assert not (project.folder / "data/left/metrics.json").exists()
    reproduce(project, "left")
    assert json.loads(project.run("dvc", "status", "--json", "left")[1]) == {}
    assert project.lock() != before


def test_another_section_may_change_while_a_stage_runs(project: Project) -> None:
    set_parameters(project, SECONDS, seed=100)
    reproduce(project, "collect")
    running = project.start("dvc", "repro", "--single-item", "left", HEADWATER_TRACKING="off")
    wait_for_start(project, "left")
    project.edit("params.yaml", "last: {seed: 100,", "last: {seed: 101,")
    output, _ = running.communicate()
    assert running.returncode == 0, output

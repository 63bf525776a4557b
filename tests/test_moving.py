"""A finished pipeline moves: pushed to a remote on disk, pulled into a fresh clone, it has nothing left to do there."""

import shutil

import pytest

from stages.hashing import path_hash
from tests.conftest import TinyRuns
from tests.projects import Project

SOURCES = "data/sources.json"


def done(project: Project, *command: str) -> str:
    """What a command that succeeds prints."""
    code, output = project.run(*command, HEADWATER_TRACKING="off")
    assert code == 0, output
    return output


@pytest.fixture(scope="module")
def origin(tiny_runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the folder that DVC has run in, its results in git and pushed to a remote on disk."""
    folder = tmp_path_factory.mktemp("origin")
    project = Project(folder / "checkout")
    shutil.copytree(tiny_runs.by_dvc.folder, project.folder)
    done(project, "dvc", "remote", "add", "--default", "storage", str(folder / "storage"))
    project.commit()
    done(project, "dvc", "push")
    return project


@pytest.fixture(scope="module")
def clone(origin: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh clone after `dvc pull` and what `make setup` does to the list of sources."""
    project = Project(tmp_path_factory.mktemp("clone") / "checkout")
    done(origin, "git", "clone", "--quiet", ".", str(project.folder))
    assert not (project.folder / SOURCES).exists()
    done(project, "dvc", "pull")
    done(project, "python", "-m", "flows.sources")
    return project


def test_every_artifact_is_restored(origin: Project, clone: Project) -> None:
    paths = clone.output_hashes()
    assert len(paths) > len(clone.stages())
    differing = [path for path in paths if path_hash(clone.folder / path) != path_hash(origin.folder / path)]
    assert differing == []


def test_the_list_of_sources_comes_out_equal(origin: Project, clone: Project) -> None:
    assert (clone.folder / SOURCES).read_bytes() == (origin.folder / SOURCES).read_bytes()


def test_no_stage_is_stale(clone: Project) -> None:
    assert done(clone, "dvc", "status", "--json") == "{}\n"


def test_the_flow_runs_nothing(clone: Project) -> None:
    code, output = clone.flow()
    assert (code, output.splitlines()[-1]) == (0, "pipeline: done; exit code 0")
    assert {f"{stage}: cached" for stage in clone.stages()} <= set(output.splitlines())
    assert list(clone.folder.glob("data/*/status.json")) == []


def test_every_link_back_to_the_sources_holds(clone: Project) -> None:
    assert "all holds: " in done(clone, "python", "-m", "flows.trace", "--all")


@pytest.mark.parametrize("stage", ["export", "report"])
def test_a_stage_finds_all_that_it_reads_and_writes_the_same(clone: Project, stage: str) -> None:
    before = clone.lock()[stage]
    assert f"Running stage '{stage}'" in done(clone, "dvc", "repro", "--single-item", "--force", stage)
    assert clone.lock()[stage] == before


def test_nothing_that_git_holds_has_changed(clone: Project) -> None:
    assert done(clone, "git", "status", "--porcelain") == ""


def test_what_was_judged_needs_no_remote(clone: Project) -> None:
    listed = done(clone, "git", "ls-files", "data/people").split()
    assert listed == ["data/people/demonstrations.jsonl", "data/people/judgements.jsonl"]

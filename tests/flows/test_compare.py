"""Settings run through DVC's queue, found again, and tabulated."""

import re
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.compare import experiments, missing, queue_states, worker_environment
from flows.settings import Setting
from tests.projects import ROOT, Project

QUEUE = """\
Task     Name                      Created    Status
a1b2c3d  setting-00112233aabbccdd  10:15 AM   Running
b1b2c3d  of-the-user               10:16 AM   Queued
c1b2c3d  setting-44556677aabbccdd  Nov 23, 2026  Failed

Worker status: 1 active, 0 idle
"""

STAGE = """\
'''A stage: writes the product of its parameter and the words it reads.'''
import os, sys
from pathlib import Path
from ruamel.yaml import YAML
from stages.tracking.entries import input_hashes, recorded_hashes
from stages.tracking.messages import Begin
from stages.tracking.run import StageRun

name, source, output = sys.argv[1:]
section = YAML(typ="safe").load(Path("params.yaml"))[name]
hashes = input_hashes([source], recorded_hashes(Path("dvc.lock")))
run = StageRun(Begin(name, section, hashes, os.getpid(), f"data/{name}/tracking.json", ""))
result = section["times"] * len(Path(source).read_text())
if section["times"] == 0:
    sys.exit("nothing to write")
Path(output).parent.mkdir(parents=True, exist_ok=True)
Path(output).write_text("x" * result)
run.finish("ran", {"size": result, "size_low": result - 1, "size_high": result + 1}, [], {"work_seconds": 0.5})
"""
PIPELINE = """\
stages:
  first:
    cmd: python stage.py first data/words.txt data/first/out
    deps: [stage.py, data/words.txt]
    params: [first]
    outs: [data/first/out]
  second:
    cmd: python stage.py second data/first/out data/second/out
    deps: [stage.py, data/first/out]
    params: [second]
    outs: [data/second/out]
"""


def test_only_our_experiments_are_settings() -> None:
    refs = "0a1b setting-1\n2c3d of-the-user\n4e5f stash\n6a7b setting-2\n"
    assert experiments(refs) == {"setting-1": "0a1b", "setting-2": "6a7b"}


def test_the_states_of_our_settings_in_the_queue() -> None:
    expected = {"setting-00112233aabbccdd": "Running", "setting-44556677aabbccdd": "Failed"}
    assert queue_states(QUEUE) == expected
    assert queue_states("No experiment tasks in the queue.\n\nWorker status: 0 active, 0 idle\n") == {}


def test_what_has_run_is_not_missing_and_what_is_asked_for_twice_runs_once() -> None:
    one, again, other = Setting("a=1", "setting-1"), Setting("a=1.0", "setting-1"), Setting("a=2", "setting-2")
    assert missing([one, again, other], {"setting-2": ""}) == [again]


@pytest.mark.parametrize(
    ("granted", "workers", "threads"), [("4", 1, "4"), ("4", 2, "2"), ("1", 2, "1"), ("4", 9, "1")]
)
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch, granted: str, workers: int, threads: str) -> None:
    monkeypatch.setattr("environment.available_cores", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", granted)
    assert worker_environment(workers)["OMP_NUM_THREADS"] == threads


def tiny_project(folder: Path) -> Project:
    """Two cheap stages that are tracked like ours; what they read is ignored by git, as data/sources.json is."""
    files = {
        "dvc.yaml": PIPELINE,
        "params.yaml": "first: {times: 2}\nsecond: {times: 1}\n",
        "stage.py": STAGE,
        ".gitignore": "/mlflow.db*\n/mlartifacts/\n/runs/\n/data/words.txt\n__pycache__/\n",
        "data/words.txt": "abc",
        "data/first/.gitignore": "/out\n",
        "data/second/.gitignore": "/out\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in (".dvc/config", ".dvcignore", "environment.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in ("flows", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    project = Project(folder)
    project.commit()
    return project


def cells(output: str) -> dict[str, list[str]]:
    """The rows of a printed table by name."""
    rows = [re.split(r" {2,}", line) for line in output.splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.slow
def test_settings_run_side_by_side_once_and_are_found_again(tmp_path: Path) -> None:
    project = tiny_project(tmp_path)
    assert project.run("python", "-m", "stages.tracking.store")[0] == 0
    code, output = project.run("dvc", "repro")
    assert code == 0, output
    settings = [
        "second.times=1",
        "second.times=3",
        "first.times=3,second.times=2",
        "second.times=3",
        "second.times=0",
    ]
    command = ["python", "-m", "flows.compare", *settings, "--workers", "2"]
    code, output = project.run(*command)
    assert code == 1, output
    table = cells(output)
    assert table["state"] == ["found", "ran", "ran", "ran", "failed"], output
    assert table["second.times"] == ["1", "3", "2", "3"]
    assert table["first.times"] == ["2", "2", "3", "2"]
    assert table["second.size"] == ["6 (5 to 7)", "18 (17 to 19)", "18 (17 to 19)", "18 (17 to 19)"]
    assert table["seconds of work"] == ["1", "1", "1", "1"]
    assert table["of it for this setting"] == ["0.5", "1", "0.5"]
    assert table["stages in MLflow"] == ["2 of 2", "2 of 2", "2 of 2", "2 of 2", "0 of 0"]
    assert "second.times=0 failed" in output
    assert project.run("git", "status", "--porcelain", "--untracked-files=no")[1] == ""

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (store,) = [one.experiment_id for one in client.search_experiments() if one.name == "headwater"]
    before = client.search_runs([store], "tags.stage != ''")
    code, output = project.run(*command[:-3], "--workers", "2")
    assert code == 0, output
    assert cells(output)["state"] == ["found"] * 4
    assert cells(output)["second.size"] == table["second.size"]
    assert len(client.search_runs([store], "tags.stage != ''")) == len(before)
    kept = client.search_runs([store], "tags.`mlflow.runName` = 'comparison'")[0]
    page = Path(client.download_artifacts(kept.info.run_id, "comparison.html", str(tmp_path / "runs")))
    assert "<td>18 (17 to 19)</td>" in page.read_text()
    assert (tmp_path / "runs/comparison.html").is_file()
    assert project.run("python", "-m", "flows.compare", "second.time=3")[0] == 2

"""How a stage ended, from what DVC and the stage left behind."""

import json
import os
import time
from pathlib import Path

import pytest

from flows.reproduction import Outcome, Reproducer, judge


@pytest.fixture
def stage_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/clean"
    folder.mkdir(parents=True)
    return folder


def write_status(folder: Path, state: str, code: int) -> None:
    (folder / "status.json").write_text(json.dumps({"state": state, "code": code, "message": "why"}))


def outcome(dvc_code: int, before: int) -> tuple[str, int]:
    judged = judge("clean", dvc_code, before, time.time() - 5)
    return judged.state, judged.code


@pytest.mark.parametrize(("state", "code"), [("failed", 3), ("waiting", 4), ("failed", 5), ("interrupted", 130)])
def test_the_code_is_the_stage_s_although_dvc_ends_with_255(stage_folder: Path, state: str, code: int) -> None:
    write_status(stage_folder, state, code)
    assert outcome(255, before=0) == (state, code)


def test_a_new_status_means_ran_and_an_old_one_restored(stage_folder: Path) -> None:
    write_status(stage_folder, "ran", 0)
    written = (stage_folder / "status.json").stat().st_mtime_ns
    assert outcome(0, before=written - 1) == ("ran", 0)
    assert outcome(0, before=written) == ("cached", 0)


def test_a_stage_that_started_and_left_no_status_was_killed(stage_folder: Path) -> None:
    (stage_folder / "lock").touch()
    assert outcome(255, before=0) == ("failed", 137)


def test_a_stage_that_dvc_could_not_start_is_no_old_failure(stage_folder: Path) -> None:
    write_status(stage_folder, "failed", 3)
    written = (stage_folder / "status.json").stat().st_mtime_ns
    (stage_folder / "lock").touch()
    os.utime(stage_folder / "lock", (1, 1))
    assert outcome(255, before=written) == ("failed", 1)


def test_work_that_dvc_could_not_record_is_a_failure(stage_folder: Path) -> None:
    write_status(stage_folder, "ran", 0)
    assert outcome(255, before=0) == ("failed", 1)


def test_nothing_starts_once_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reproducer = Reproducer(tmp_path / "logs")
    reproducer.stop()
    assert reproducer.reproduce("clean") == Outcome("clean", "interrupted", 130, "not started")

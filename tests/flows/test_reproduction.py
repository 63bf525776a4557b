"""How a stage ended, from what DVC and the stage left behind."""

import json
import os
from pathlib import Path

import pytest

from flows.reproduction import Outcome, Reproducer, Traces, judge


@pytest.fixture
def stage_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/clean"
    folder.mkdir(parents=True)
    return folder


def write_status(folder: Path, state: str, code: int) -> None:
    (folder / "status.json").write_text(json.dumps({"state": state, "code": code, "message": "why"}))


NOTHING = Traces(0, 0)


def outcome(dvc_code: int, before: Traces) -> tuple[str, int]:
    judged = judge("clean", dvc_code, before, seconds=5)
    return judged.state, judged.code


@pytest.mark.parametrize(("state", "code"), [("failed", 3), ("waiting", 4), ("failed", 5), ("interrupted", 130)])
def test_the_code_is_the_stage_s_although_dvc_ends_with_255(stage_folder: Path, state: str, code: int) -> None:
    write_status(stage_folder, state, code)
    assert outcome(255, before=NOTHING) == (state, code)


def test_a_new_status_means_ran_and_an_old_one_restored(stage_folder: Path) -> None:
    write_status(stage_folder, "ran", 0)
    assert outcome(0, before=NOTHING) == ("ran", 0)
    assert outcome(0, before=Traces.of("clean")) == ("cached", 0)


def test_a_clock_that_was_set_back_hides_no_new_status(stage_folder: Path) -> None:
    write_status(stage_folder, "ran", 0)
    (stage_folder / "lock").touch()
    before = Traces.of("clean")
    write_status(stage_folder, "failed", 3)
    os.utime(stage_folder / "status.json", (1, 1))
    assert outcome(255, before) == ("failed", 3)
    (stage_folder / "status.json").unlink()
    os.utime(stage_folder / "lock", (1, 1))
    assert outcome(255, before) == ("failed", 137)


def test_a_stage_that_started_and_left_no_status_was_killed(stage_folder: Path) -> None:
    (stage_folder / "lock").touch()
    assert outcome(255, before=NOTHING) == ("failed", 137)


def test_a_stage_that_dvc_could_not_start_is_no_old_failure(stage_folder: Path) -> None:
    write_status(stage_folder, "failed", 3)
    (stage_folder / "lock").touch()
    assert outcome(255, before=Traces.of("clean")) == ("failed", 1)


def test_work_that_dvc_could_not_record_is_a_failure(stage_folder: Path) -> None:
    write_status(stage_folder, "ran", 0)
    assert outcome(255, before=NOTHING) == ("failed", 1)


def test_dvc_killed_is_a_stage_killed(stage_folder: Path) -> None:
    write_status(stage_folder, "ran", 0)
    assert outcome(-9, before=NOTHING) == ("failed", 137)


def test_nothing_starts_once_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reproducer = Reproducer(tmp_path / "logs", note=lambda group: None)
    reproducer.stop()
    assert reproducer.reproduce("clean") == Outcome("clean", "interrupted", 130, "not started")

"""Recovery: what a killed DVC leaves cut off is put back, and nothing else is touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows import recovery
from tests.flows.four_stages import INPUTS
from tests.projects import Project, Server


@pytest.fixture(scope="module")
def done(project: Project) -> Project:
    """The four stages, run by DVC; the record is kept."""
    for command in ("python -m flows.sources", "dvc repro"):
        code, words = project.run(*command.split(), HEADWATER_TRACKING="off")
        assert code == 0, words
    assert project.run("python", "-m", "flows.recovery") == (0, "")
    return project


@pytest.fixture(scope="module")
def text(done: Project) -> str:
    """What DVC has recorded of it."""
    return (done.folder / "dvc.lock").read_text()


@pytest.fixture
def record(done: Project, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its record and the kept one, whole; the working folder is the project's."""
    monkeypatch.chdir(done.folder)
    Path(".prefect", recovery.KEPT).unlink()
    path = Path("dvc.lock")
    path.write_text(text)
    recovery.mend(Path(".prefect"))
    return path


def test_a_record_cut_off_anywhere_gets_back_the_stages_it_has_lost(record: Path, text: str) -> None:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    home, whole = Path(".prefect"), YAML(typ="safe").load(text)["stages"]
    for length in range(0, len(text), 29):
        record.write_text(text)
        recovery.mend(home)
        record.write_text(text[:length])
        recovery.mend(home)
        stages = COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(record))["stages"]
        assert list(stages) == list(INPUTS)
        # An entry that lacks lines stays if DVC accepts it: it finds that the files do not fit.
        assert sum(stages[stage] != whole[stage] for stage in INPUTS) <= 1


def test_a_lost_record_is_put_back_as_dvc_wrote_it(record: Path, text: str) -> None:
    record.write_text("")
    recovery.mend(Path(".prefect"))
    assert record.read_text() == text


def test_dvc_refuses_a_cut_off_record_and_finds_all_fresh_once_it_is_mended(done: Project, record: Path) -> None:
    record.write_text("")
    code, words = done.run("dvc", "status")
    assert code != 0
    assert "dvc.lock" in words
    code, words = done.run("python", "-m", "flows.recovery")
    assert (code, words) == (
        0,
        "dvc.lock is not whole, as a DVC leaves it that is killed: put back collect, left, right, last\n",
    )
    assert done.run("dvc", "status", "--quiet") == (0, "")


def test_without_a_kept_record_dvc_takes_what_has_run_from_its_cache(
    done: Project, server: Server, record: Path, text: str
) -> None:
    record.write_text("schema: '2.0'\nsta")
    Path(".prefect", recovery.KEPT).unlink()
    started = Path("data/collect/lock").stat().st_mtime_ns
    code, words = done.run("python", "-m", "flows.pipeline", HEADWATER_TRACKING="off")
    assert code == 0, words
    assert "dvc.lock is not whole, as a DVC leaves it that is killed: put back \n" in words
    assert "last: cached" in words
    yaml = YAML(typ="safe")
    assert yaml.load(record) == yaml.load(text)  # left and right end in any order
    assert Path("data/collect/lock").stat().st_mtime_ns == started


def test_a_flow_mends_before_it_asks_what_is_stale(done: Project, server: Server, record: Path, text: str) -> None:
    record.write_text("")
    Path(".dvc/tmp/rwlock").write_text('{"wri')
    code, words = done.run("python", "-m", "flows.pipeline", HEADWATER_TRACKING="off")
    assert code == 0, words
    assert words.count(": cached") == 4
    assert record.read_text() == text


def test_one_that_has_ended_and_was_not_collected_does_not_block_dvc(done: Project, record: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays on the system's list, as in a container
    entry = {"pid": ended.pid, "cmd": "dvc repro collect"}
    table = Path(".dvc/tmp/rwlock")
    table.write_text(json.dumps({"write": {str(Path("data/collect/product.txt").resolve()): entry}, "read": {}}))
    code, words = done.run("dvc", "repro", "--force", "--single-item", "collect", HEADWATER_TRACKING="off")
    assert code != 0
    assert "blocked" in words
    assert done.run("python", "-m", "flows.recovery") == (0, "")
    assert not table.exists()
    assert done.run("dvc", "repro", "--force", "--single-item", "collect", HEADWATER_TRACKING="off")[0] == 0
    ended.wait()


def test_what_was_not_written_whole_in_the_cache_of_runs_does_not_end_dvc(done: Project, record: Path) -> None:
    (entry,) = [path for path in Path(".dvc/cache/runs").glob("*/*/*") if "stages.collect" in path.read_text()]
    entry.unlink()  # killed between the folder and its entry; an entry that DVC cannot read it removes itself
    forgotten = YAML(typ="safe").load(record)
    del forgotten["stages"]["collect"]
    YAML(typ="safe").dump(forgotten, record)
    Path(".prefect", recovery.KEPT).unlink()
    again = ("dvc", "repro", "--single-item", "collect")
    code, words = done.run(*again, HEADWATER_TRACKING="off")
    assert code != 0
    assert "join() argument must be str" in words
    entry.with_name(".AbC-1_.tmp").touch()
    recovery.mend(Path(".prefect"))
    assert not entry.parent.exists()
    assert len(list(Path(".dvc/cache/runs").glob("*/*/*"))) == 3
    code, words = done.run(*again, HEADWATER_TRACKING="off")
    assert code == 0, words


def test_one_at_work_stays_in_the_table(record: Path) -> None:
    table = Path(".dvc/tmp/rwlock")
    table.write_text(json.dumps({"read": {"/a": [{"pid": os.getpid(), "cmd": "dvc repro"}]}}))
    recovery.mend(Path(".prefect"))
    assert table.exists()
    table.unlink()


def test_a_stage_that_was_removed_from_the_pipeline_stays_removed(record: Path, text: str) -> None:
    pipeline = Path("dvc.yaml")
    whole = pipeline.read_text()
    pipeline.write_text(whole[: whole.index("  last:")])
    record.write_text(text[: text.index("  last:")])
    recovery.mend(Path(".prefect"))
    assert record.read_text() == text[: text.index("  last:")]
    pipeline.write_text(whole)
    recovery.mend(Path(".prefect"))
    assert record.read_text() == text


def test_without_any_record_there_is_nothing_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recovery.mend(tmp_path / ".prefect")
    assert not Path("dvc.lock").exists()

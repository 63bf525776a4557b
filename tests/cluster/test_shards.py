"""Shards on the engines of one machine: the same folders, none made twice, nothing half-made under its name."""

from functools import partial
from pathlib import Path

import pytest

from stages.cluster.engines import Engine, InProcess, ProcessPool, engine_of
from stages.cluster.settings import DataSettings, read_data_settings
from stages.cluster.shards import map_shards
from stages.errors import ExitCode, StageError
from tests.cluster.shard_work import refuse, shards, spell, written

ENGINES = [InProcess(), ProcessPool(2)]


@pytest.mark.parametrize("engine", ENGINES, ids=["in process", "pool"])
def test_every_shard_has_its_folder_in_order(tmp_path: Path, engine: Engine) -> None:
    paths = shards(tmp_path, 5)
    folders = map_shards("spell", partial(spell, 0), paths, tmp_path / "finished", engine)
    assert written(folders) == [f"TEXT OF PART-{number:05}" for number in range(5)]
    assert sorted(path.name for path in (tmp_path / "finished").iterdir()) == [path.stem for path in paths]


def test_a_pool_works_in_processes_of_its_own(tmp_path: Path) -> None:
    paths = shards(tmp_path, 4)
    map_shards("spell", partial(spell, 0.3), paths, tmp_path / "finished", ProcessPool(2))
    workers = {line.split()[1] for line in (tmp_path / "done").read_text().splitlines()}
    assert len(workers) == 2


def test_what_is_finished_is_not_done_again_and_what_was_cut_off_is_cleared_away(tmp_path: Path) -> None:
    paths, finished = shards(tmp_path, 3), tmp_path / "finished"
    map_shards("spell", partial(spell, 0), paths[:2], finished, InProcess())
    (finished / "part-00002-x.partial").mkdir()
    folders = map_shards("spell", partial(spell, 0), paths, finished, InProcess())
    assert len(written(folders)) == 3
    done = [line.split()[0] for line in (tmp_path / "done").read_text().splitlines()]
    assert done == ["part-00000", "part-00001", "part-00002"]
    assert not list(finished.glob("*.partial"))


@pytest.mark.parametrize("engine", ENGINES, ids=["in process", "pool"])
def test_an_error_in_a_shard_ends_the_work_as_itself_and_leaves_no_folder(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(StageError, match=r"no text: part-0000\d.txt. Write some.") as caught:
        map_shards("refuse", refuse, shards(tmp_path, 3), tmp_path / "finished", engine)
    assert caught.value.code == ExitCode.DATA
    assert not [path for path in (tmp_path / "finished").iterdir() if path.suffix != ".partial"]


def test_settings_come_from_their_file_and_one_process_does_without(tmp_path: Path) -> None:
    assert engine_of(read_data_settings(tmp_path / "cluster.yaml")) == ProcessPool(1)
    (tmp_path / "cluster.yaml").write_text("data: {engine: local, processes: 3, address: null}\n")
    assert engine_of(read_data_settings(tmp_path / "cluster.yaml")) == ProcessPool(3)
    (tmp_path / "cluster.yaml").write_text("data: {engine: spark, processes: 0, address: null}\n")
    with pytest.raises(StageError, match=r"data\.engine: .*'local' or 'ray'.*data\.processes"):
        read_data_settings(tmp_path / "cluster.yaml")


def test_a_cluster_that_does_not_answer_is_one_clear_line() -> None:
    with pytest.raises(StageError, match=r"no Ray cluster answers: data.address 127.0.0.1:1.*ray start --head"):
        engine_of(DataSettings(engine="ray", processes="auto", address="127.0.0.1:1"))

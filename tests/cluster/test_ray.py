"""Shards on a real Ray cluster of one head and three nodes, one of which is killed in mid-run."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster

from stages import clean, deduplicate
from stages.cluster.engines import Engine, InProcess, engine_of
from stages.cluster.ray_tasks import RayTasks
from stages.cluster.settings import DataSettings
from stages.cluster.shards import map_shards
from stages.errors import StageError
from stages.parameters import read_section
from stages.text.documents import DOCUMENT_SCHEMA, part, write_table
from tests import ray_cluster
from tests.cluster.shard_work import refuse, shards, spell, written

pytestmark = pytest.mark.slow

NODES = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One head and three nodes on this machine."""
    with ray_cluster.running(NODES) as started:
        yield started


@pytest.fixture
def engine(cluster: Cluster) -> Iterator[RayTasks]:
    """A connection to the cluster, as a stage makes it."""
    connected = engine_of(DataSettings(engine="ray", processes="auto", address=cluster.address))
    assert isinstance(connected, RayTasks)
    yield connected
    ray.shutdown()


def test_an_error_in_a_task_is_that_of_the_function(tmp_path: Path, engine: RayTasks) -> None:
    with pytest.raises(StageError, match=r"no text: part-0000\d.txt. Write some."):
        map_shards("refuse", refuse, shards(tmp_path, 6), tmp_path / "there", engine)


def corpus_parts(folder: Path) -> Path:
    """The texts of tests/corpus over and over, each time with other words before them, as eight parts."""
    texts = [path.read_text(errors="replace") for path in sorted(Path("tests/corpus/guides").iterdir())]
    for number in range(8):
        rows = [{"id": f"{number}-{place}", "text": f"Copy {number}. {text}"} for place, text in enumerate(texts)]
        table = pd.DataFrame(rows).assign(source="corpus", path="a.txt", name=None, kind="prose", licence="Apache-2.0")
        write_table(part(folder, number), table.reindex(columns=DOCUMENT_SCHEMA.names), DOCUMENT_SCHEMA)
    return folder


def text_stages(folder: Path, documents: Path, engine: Engine) -> dict[str, bytes]:
    """What clean and deduplicate write, by name."""
    places = {name: {"output": folder / name, "checkpoints": folder / name / "checkpoints"} for name in ("one", "two")}
    cleaning, comparing = (
        read_section(Path("params.yaml"), one.__name__[7:], one.Params) for one in (clean, deduplicate)
    )
    attributes = folder / "attributes"
    clean.run(params=cleaning, documents=documents, attributes=attributes, engine=engine, **places["one"])
    deduplicate.run(params=comparing, documents=folder / "one/documents", engine=engine, **places["two"])
    written = sorted(path for path in folder.rglob("*.parquet") if "checkpoints" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in written}


def test_stages_write_the_same_bytes_as_in_process(tmp_path: Path, engine: RayTasks) -> None:
    documents = corpus_parts(tmp_path / "documents")
    here, there = (
        text_stages(tmp_path / name, documents, one) for name, one in (("here", InProcess()), ("there", engine))
    )
    assert len(here) == 8 * 3 + 3  # documents of both stages and attributes by part, two ledgers and the clusters
    assert here == there


def test_a_node_killed_in_mid_run_costs_nothing_but_time(tmp_path: Path, cluster: Cluster, engine: RayTasks) -> None:
    paths = shards(tmp_path, 16)
    expected = written(map_shards("spell", partial(spell, 0), paths, tmp_path / "here", InProcess()))
    (tmp_path / "done").unlink()
    assert engine.cores == 1 + NODES
    killing = threading.Timer(4, cluster.list_all_nodes()[2].kill_raylet)
    killing.start()
    folders = map_shards("spell", partial(spell, 1.5), paths, tmp_path / "there", engine)
    killing.join()
    assert len(ray.nodes()) == 1 + NODES
    deadline = time.monotonic() + 120
    while sum(node["Alive"] for node in ray.nodes()) > NODES and time.monotonic() < deadline:
        time.sleep(0.5)
    assert sum(node["Alive"] for node in ray.nodes()) == NODES
    assert written(folders) == expected
    assert sorted(folder.name for folder in (tmp_path / "there").iterdir()) == [path.stem for path in paths]
    done = [line.split()[0] for line in (tmp_path / "done").read_text().splitlines()]
    assert set(done) == {path.stem for path in paths}

"""Shards on a real Ray cluster of one head and three nodes, one of which is killed in mid-run."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import psutil
import pytest
import ray

from stages import clean, deduplicate
from stages.cluster.engines import Engine, InProcess, engine_of
from stages.cluster.ray_tasks import RayTasks
from stages.cluster.settings import DataSettings
from stages.cluster.shards import map_shards
from stages.errors import StageError
from stages.parameters import read_section
from stages.text.documents import DOCUMENT_SCHEMA, part, write_table
from tests.cluster.shard_work import refuse, shards, spell, written

pytestmark = pytest.mark.slow

RAY = Path(sys.executable).with_name("ray")
NODES = 3
# Nodes that are gone are to be missed within seconds and not within tens of them.
QUICK_TO_MISS = {"RAY_health_check_initial_delay_ms": "2000", "RAY_health_check_period_ms": "1000"}
MORE = {"RAY_health_check_failure_threshold": "10", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_AUTO_CONNECT": "0"}


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its address, and the process of each node but the head, ``raylet``."""

    address: str
    nodes: list[psutil.Process]


def raylets() -> set[psutil.Process]:
    """Every node's main process on this machine."""
    return {one for one in psutil.process_iter(["name"]) if one.info["name"] == "raylet"}


def start(*options: str) -> psutil.Process:
    """Start a node of one core; its main process."""
    before = raylets()
    command = [str(RAY), "start", "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", *options]
    done = subprocess.run(command, env=os.environ | QUICK_TO_MISS | MORE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (node,) = raylets() - before
    return node


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One head and three nodes on this machine."""
    address = "127.0.0.1:6399"
    try:
        start("--head", "--node-ip-address=127.0.0.1", "--port=6399", "--include-dashboard=false")
        yield Cluster(address, [start(f"--address={address}") for _ in range(NODES)])
    finally:
        subprocess.run([str(RAY), "stop", "--force"], capture_output=True, check=False)


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
    killing = threading.Timer(4, cluster.nodes[1].kill)
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

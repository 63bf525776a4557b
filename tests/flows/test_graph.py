"""The order that dvc.yaml implies."""

from pathlib import Path

import pytest

from flows.graph import Graph, read_graph

PIPELINE = """
stages:
  last:
    cmd: x
    deps: [data/left/part/one, data/right]
    outs: [data/last/page]
  left:
    cmd: x
    deps: [code.py, data/first/documents]
    outs: [data/left/part]
  right:
    cmd: x
    deps: [data/first/metrics.json]
    outs:
      - data/right/one: {cache: true}
  first:
    cmd: x
    outs: [data/first/documents]
    metrics:
      - data/first/metrics.json: {cache: false}
"""


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    path = tmp_path / "dvc.yaml"
    path.write_text(PIPELINE)
    return read_graph(path)


def test_a_stage_waits_for_those_whose_outputs_it_reads_whole_or_in_part(graph: Graph) -> None:
    assert graph.upstream == {"first": (), "left": ("first",), "right": ("first",), "last": ("left", "right")}


def test_every_stage_stands_behind_what_it_waits_for(graph: Graph) -> None:
    assert graph.stages[0] == "first"
    assert graph.stages[-1] == "last"


def test_what_lies_behind_a_stage(graph: Graph) -> None:
    assert graph.behind("left") == ["left", "last"]
    assert set(graph.behind("first")) == {"first", "left", "right", "last"}


def test_the_order_of_the_file_is_kept_where_it_is_right(tmp_path: Path) -> None:
    path = tmp_path / "dvc.yaml"
    path.write_text("stages:\n" + "".join(f"  {name}: {{cmd: x, outs: [data/{name}/x]}}\n" for name in "dcab"))
    assert read_graph(path).stages == ["d", "c", "a", "b"]

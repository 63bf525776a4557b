import sys
from pathlib import Path

import pytest

from benchmarks.pipeline import GROUPS, group_rows, read, seconds, stage_rows
from stages.parameters import read_parameters

COST = {"start_seconds": 2.0, "work_seconds": 10.0, "peak_memory_mebibytes": 500.0}


def values(rows) -> dict:
    return {row.what: (row.ours, row.goal) for row in rows}


def test_every_stage_stands_in_one_budget():
    grouped = [stage for stages, _ in GROUPS.values() for stage in stages]
    assert sorted(grouped) == sorted(read_parameters(Path(__file__).parents[2] / "dvc.yaml")["stages"])


def test_a_stage_is_measured_by_start_work_memory_and_tokens():
    rows = values(stage_rows({"clean": COST, "pretrain": COST}, {"pretrain": {"tokens": 5_000}}))
    assert rows["clean: start"] == (2.0, 3.0)
    assert rows["pretrain: start"] == (2.0, 8.0)
    assert rows["pretrain: work"] == (10.0, None)
    assert rows["pretrain: peak memory"] == (500.0, 4096.0)
    assert rows["pretrain: speed"] == (500.0, None)  # 5,000 tokens in 10 s
    assert "clean: speed" not in rows


def test_stages_that_share_a_budget_are_added_up():
    rows = group_rows({"sample": COST, "rank": COST, "evaluate": COST})
    assert values(rows)["sample and rank, all in all"] == (24.0, 40.0)
    assert values(rows)["all stages, one after the other"] == (36.0, None)
    [lacking] = [row for row in rows if row.what == "evaluate and probe, all in all"]
    assert (lacking.ours, lacking.why) == (None, "no timings of probe")


def test_stages_that_have_left_nothing_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "clean").mkdir(parents=True)
    (tmp_path / "data" / "clean" / "timings.json").write_text('{"work_seconds": 1}')
    assert read(["clean", "encode"], "timings.json") == {"clean": {"work_seconds": 1}}


def test_a_command_that_fails_stops_the_benchmark():
    with pytest.raises(Exception, match="non-zero exit status 3"):
        seconds([sys.executable, "-c", "raise SystemExit(3)"])

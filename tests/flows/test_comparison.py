"""Settings joined with the runs of their stages, and the table of them."""

from types import SimpleNamespace
from typing import Any

import pytest

from flows.comparison import (
    Result,
    as_page,
    as_text,
    cost_rows,
    input_hashes,
    is_of,
    metric_rows,
    parameter_rows,
    read_stages,
    stage_runs,
    table,
)
from flows.settings import Setting

LOCK = """
schema: '2.0'
stages:
  count:
    cmd: count
    deps:
    - {path: code.py, hash: md5, md5: c0de}
    outs:
    - {path: data/count, hash: md5, md5: c0c0.dir}
  train:
    cmd: train
    deps:
    - {path: code.py, hash: md5, md5: c0de}
    - {path: data/count/words, hash: md5, md5: d00d}
    params:
      params.yaml:
        train: {depth: 2, rate: 1, names: [a, b]}
    outs:
    - {path: data/train, hash: md5, md5: feed.dir}
"""
DEEPER = LOCK.replace("depth: 2", "depth: 3")


def run(metrics: dict[str, float], depth: int = 2, rate: str = "1.0", **tags: str) -> Any:
    """A stage's run as MLflow gives it."""
    inputs = {"input/data/count/words": "c0c0.dir"}
    parameters = {"depth": str(depth), "rate": rate, "names": '["a", "b"]'}
    return SimpleNamespace(
        data=SimpleNamespace(metrics=metrics, params=parameters, tags={"stage": "train"} | inputs | tags)
    )


def result(lock: str, train: Any = None, text: str = "train.depth=2", **facts: Any) -> Result:
    """A setting of which MLflow knows one stage, or none."""
    facts = {"commit": "0123456789abcdef", "is_new": True} | facts
    return Result(Setting(text, "setting-1"), lock=lock, runs={"train": train} if train else {}, **facts)


def test_an_input_inside_an_output_has_that_output_s_hash_and_code_is_no_input() -> None:
    stages = read_stages(LOCK)
    assert input_hashes(stages, stages["train"]) == {"data/count/words": "c0c0.dir"}
    assert input_hashes(stages, stages["count"]) == {}


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        (run({}), True),
        (run({}, depth=3), False),
        (run({}, rate="0.5"), False),
        (run({}, **{"input/data/count/words": "beef.dir"}), False),
        (run({}, **{"input/data/more": "beef.dir"}), False),
    ],
)
def test_a_run_is_of_a_stage_if_parameters_and_inputs_are_equal(found: Any, fits: bool) -> None:
    stages = read_stages(LOCK)
    assert is_of(found, stages["train"], {"data/count/words": "c0c0.dir"}) == fits


def test_of_several_runs_the_setting_s_own_is_taken_and_else_the_newest() -> None:
    others = [run({"final/x": 1}), run({"final/x": 2}, **{"dvc.experiment": "setting-1"}), run({"final/x": 3}, depth=9)]
    asked: list[str] = []

    def search_runs(experiments: list[str], condition: str, order_by: list[str]) -> list[Any]:
        asked.append(condition)
        return others if "'train'" in condition else []

    client: Any = SimpleNamespace(search_runs=search_runs)
    assert stage_runs(client, "0", LOCK, "setting-1") == {"train": others[1]}
    assert stage_runs(client, "0", LOCK, "setting-2") == {"train": others[0]}
    assert asked[1].endswith(" and tags.`input/data/count/words` = 'c0c0.dir'")
    assert stage_runs(client, "0", "", "setting-3") == {}


def test_only_parameters_that_differ_are_shown_and_a_failed_setting_has_none() -> None:
    assert parameter_rows([result(LOCK), result(DEEPER), result("")]) == [("train.depth", "2", "3", "")]
    assert parameter_rows([result(LOCK), result("")]) == []


def test_metrics_with_an_interval_are_the_headline_and_patterns_add_others() -> None:
    first = {"final/loss": 2.5, "final/loss_low": 2.25, "final/loss_high": 2.75, "final/loss_n": 9, "final/rows": 1234}
    results = [result(LOCK, run(first | {"loss": 7.0})), result(DEEPER, run({"final/loss": 2.0, "final/rows": 5}))]
    assert metric_rows(results, []) == [("train.loss", "2.5 (2.25 to 2.75)", "2")]
    assert metric_rows(results, ["*.rows"])[1:] == [("train.rows", "1,234", "5")]


def test_without_any_interval_every_metric_is_shown() -> None:
    assert metric_rows([result(LOCK, run({"final/a": 1.0, "final/b": 0.5}))], []) == [
        ("train.a", "1"),
        ("train.b", "0.5"),
    ]


def test_cost_is_that_of_all_stages_and_of_those_that_ran_for_the_setting() -> None:
    cost = {"cost/work_seconds": 2.5, "cost/peak_memory_mebibytes": 300.0}
    own = run(cost, **{"dvc.experiment": "setting-1"})
    both = Result(
        Setting("", "setting-1"), "", LOCK, True, {"count": run(cost | {"cost/work_seconds": 1.0}), "train": own}
    )
    assert cost_rows([both, result(LOCK)]) == [
        ("seconds of work", "3.5", ""),
        ("of it for this setting", "2.5", ""),
        ("peak MiB", "300", ""),
    ]


def test_the_table_names_state_hashes_and_what_mlflow_does_not_know() -> None:
    results = [result(LOCK, run({})), result("", text="train.depth=0", commit=""), result(LOCK, is_new=False)]
    head, rows = table(results)
    assert head == ("setting", "train.depth=2", "train.depth=0", "train.depth=2")
    assert rows[0] == ("state", "ran", "failed", "found")
    assert rows[-4:] == [
        ("experiment", "setting-1", "setting-1", "setting-1"),
        ("commit", "0123456789ab", "", "0123456789ab"),
        ("dvc.lock", "3ee66b138f5f", "", "3ee66b138f5f"),
        ("stages in MLflow", "1 of 2", "0 of 0", "0 of 2"),
    ]


def test_the_text_is_aligned() -> None:
    assert as_text(("setting", "a=1", "a=100"), [("state", "ran", "found"), ("loss", "2.25", "")]) == (
        "setting   a=1  a=100\nstate     ran  found\nloss     2.25"
    )


def test_the_page_shows_text_as_text() -> None:
    page = as_page(("setting", "a=<script>"), [("train.<b>", "x & y")])
    assert "<td>train.&lt;b&gt;</td><td>x &amp; y</td>" in page
    assert "<script>" not in page

"""The promotion rule on figures worked out by hand."""

import json
import math
from pathlib import Path

import pytest

from flows.promotion import Rule, figures_of, looked_at, objections, read_figures, read_rule
from stages.errors import ExitCode, StageError

RULE = Rule(at_least={"evaluate.stops": 0.95}, at_most={"probe.copies": 0.01}, not_worse="evaluate.score")
GOOD = {"evaluate.stops": 0.95, "probe.copies": 0.01, "evaluate.score": 0.60, "evaluate.score_low": 0.57}


def test_a_version_on_every_bound_is_promoted_where_there_is_no_champion() -> None:
    assert objections(RULE, GOOD, None) == []


@pytest.mark.parametrize(
    ("changed", "objection"),
    [
        ({"evaluate.stops": 0.94}, "evaluate.stops is 0.94, under 0.95"),
        ({"probe.copies": 0.02}, "probe.copies is 0.02, over 0.01"),
        ({"evaluate.stops": math.nan}, "evaluate.stops is nan, under 0.95"),
        ({"probe.copies": math.nan}, "probe.copies is nan, over 0.01"),
    ],
)
def test_a_figure_beyond_its_bound_or_not_measured_is_an_objection(changed: dict[str, float], objection: str) -> None:
    assert objections(RULE, GOOD | changed, None) == [objection]


@pytest.mark.parametrize(
    ("champion", "promoted"),
    [
        ({"evaluate.score": 0.59}, True),
        ({"evaluate.score": 0.60}, True),
        ({"evaluate.score": 0.61}, False),  # no interval on record: its value is the floor
        ({"evaluate.score": 0.62, "evaluate.score_low": 0.60}, True),  # inside what chance explains
        ({"evaluate.score": 0.65, "evaluate.score_low": 0.61}, False),
        ({"evaluate.score": math.nan}, False),
        ({"evaluate.other": 0.1}, False),  # judged by another rule: nothing to compare with
    ],
)
def test_a_version_is_not_promoted_under_the_lower_end_of_the_champion(
    champion: dict[str, float], promoted: bool
) -> None:
    assert (objections(RULE, GOOD, champion) == []) is promoted


def test_every_objection_is_given() -> None:
    figures = {"evaluate.stops": 0.5, "probe.copies": 0.5, "evaluate.score": 0.5}
    assert objections(RULE, figures, {"evaluate.score": 0.7, "evaluate.score_low": 0.65}) == [
        "evaluate.stops is 0.5, under 0.95",
        "probe.copies is 0.5, over 0.01",
        "evaluate.score is 0.5, worse than the champion's (0.65 at the least)",
    ]


def test_figures_come_from_metrics_and_their_intervals_from_results() -> None:
    results = {
        "figures": {
            "score.ppo": {"value": 0.6, "low": 0.5, "high": 0.7},
            "length.ppo": {"value": 20.0, "low": None, "high": None},
            "admits.ppo": {"value": None, "low": None, "high": None},
        }
    }
    found = figures_of("evaluate", {"score_ppo": 0.6, "count": 3, "name": "x"}, results)
    assert math.isnan(found.pop("evaluate.admits_ppo"))
    assert found == {
        "evaluate.score_ppo": 0.6,
        "evaluate.score_ppo_low": 0.5,
        "evaluate.count": 3.0,
        "evaluate.length_ppo": 20.0,
    }


def test_stages_without_results_have_their_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/export").mkdir(parents=True)
    Path("data/export/metrics.json").write_text(json.dumps({"parameters": 7}))
    assert read_figures(["probe", "export"]) == {"export.parameters": 7.0}


def test_only_the_figures_of_the_rule_are_looked_at_with_their_lower_ends() -> None:
    assert looked_at(RULE, GOOD | {"evaluate.other": 1.0}) == GOOD


def test_all_figures_that_do_not_exist_are_named_with_what_may_be_meant() -> None:
    rule = Rule(at_least={"evaluate.stop": 1.0}, at_most={"report.pages": 1.0}, not_worse="evaluate.score")
    with pytest.raises(StageError, match=r"evaluate\.stop \(is it evaluate\.stops\?\), report\.pages\.") as failure:
        looked_at(rule, GOOD)
    assert failure.value.code == ExitCode.CONFIGURATION


def test_a_rule_that_is_not_well_formed_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("registry: {at_least: {a.b: much}, at_most: {}, better: a.b}\n")
    with pytest.raises(StageError) as failure:
        read_rule(path)
    assert failure.value.code == ExitCode.CONFIGURATION
    for name in ("registry.at_least.a.b", "registry.not_worse", "registry.better"):
        assert name in str(failure.value)

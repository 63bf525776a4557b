"""What a pipeline run leaves behind."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.record import Stamp, changes, headline, text, write_record
from flows.reproduction import Outcome

STAMP = Stamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "abc1234", "0123456789ab")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (1234567, "1,234,567"), (0.123456, "0.1235"), (98765.4, "98,765"), ("word", "word")],
)
def test_figures_as_text(value: float | str | None, shown: str) -> None:
    assert text(value) == shown


def test_changes_name_what_is_new_what_is_gone_and_what_differs() -> None:
    before = {"clean": {"kept": 10, "same": 1}, "gone": {"x": 2}}
    after = {"clean": {"kept": 12, "same": 1}, "new": {"y": 0.5}}
    assert changes(before, after) == [("clean.kept", "10", "12"), ("gone.x", "2", ""), ("new.y", "", "0.5")]


def test_headline_has_a_row_for_each_stage_and_costs_only_for_those_that_ran() -> None:
    timings = {name: {"work_seconds": 1.5, "peak_memory_mebibytes": 200.0} for name in ("clean", "encode")}
    outcomes = [Outcome("clean", "ran", seconds=3.25), Outcome("encode", "cached"), Outcome("rank", "failed", 3, "a|b")]
    assert headline(outcomes, {"clean": {"kept": 1200}}, timings).splitlines()[2:] == [
        "| clean | ran | 3.2 | 1.5 | 200 | kept 1,200 |",
        "| encode | cached | 0.0 |  |  |  |",
        "| rank | failed: a\\|b | 0.0 |  |  |  |",
    ]


def write_stage(kept: int) -> None:
    folder = Path("data/clean")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps({"kept": kept, "rule": "<b>"}))
    (folder / "timings.json").write_text(json.dumps({"work_seconds": 1.5, "peak_memory_mebibytes": 200.0}))


def test_the_stamped_report_keeps_the_page_and_adds_cost_and_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = tmp_path / "index.html"
    report.write_text("<body><main><h1>Report</h1></main></body>")
    outcomes = [Outcome("clean", "ran", seconds=3.0)]
    write_stage(kept=10)
    write_record(tmp_path / "runs", STAMP, outcomes, report)
    write_stage(kept=12)
    later = Stamp(datetime(2026, 1, 3, tzinfo=UTC), "<i>", "fedcba987654")
    page = write_record(tmp_path / "runs", later, outcomes, report).read_text()
    assert page.startswith("<body><main><h1>Report</h1><section")
    assert page.endswith("</section></main></body>")
    assert "<td>clean.kept</td><td>10</td><td>12</td>" in page
    assert "commit &lt;i&gt;, dvc.lock fedcba987654" in page
    assert "1 of 1 stages ran, in 3 stage seconds" in page
    assert report.read_text() == "<body><main><h1>Report</h1></main></body>"

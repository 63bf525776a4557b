"""What a pipeline run leaves behind: the headline table, and a stamped copy of the report with cost and changes."""

import hashlib
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.reproduction import Outcome
from stages.tracking.entries import git

Figure = float | int | str
Figures = dict[str, dict[str, Figure]]
"""Figures of stages: by stage, then by name."""


def read_figures(stages: Iterable[str], name: str) -> Figures:
    """The content of `data/<stage>/<name>` for every stage that has written it."""
    paths = {stage: Path("data", stage, name) for stage in stages}
    return {stage: json.loads(path.read_text()) for stage, path in paths.items() if path.is_file()}


def text(value: Figure | None) -> str:
    """A figure as people read it; nothing for none."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value


def headline(outcomes: Iterable[Outcome], metrics: Figures, timings: Figures) -> str:
    """A Markdown table: each stage's state, seconds, peak memory and metrics."""
    rows = ["| stage | state | seconds | of it work | peak MiB | metrics |", "|---|---|---:|---:|---:|---|"]
    for outcome in outcomes:
        cost = timings.get(outcome.stage, {}) if outcome.state == "ran" else {}
        figures = ", ".join(f"{name} {text(value)}" for name, value in metrics.get(outcome.stage, {}).items())
        state = f"{outcome.state}: {outcome.message}" if outcome.message else outcome.state
        cells = [outcome.stage, state, f"{outcome.seconds:.1f}", text(cost.get("work_seconds"))]
        cells += [text(cost.get("peak_memory_mebibytes")), figures]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def changes(before: Figures, after: Figures) -> list[tuple[str, str, str]]:
    """The figures that differ between two runs: name, then the old and the new value."""
    names = sorted({(stage, name) for figures in (before, after) for stage in figures for name in figures[stage]})
    pairs = [
        (f"{stage}.{name}", before.get(stage, {}).get(name), after.get(stage, {}).get(name)) for stage, name in names
    ]
    return [(name, text(old), text(new)) for name, old, new in pairs if old != new]


@dataclass(frozen=True)
class Stamp:
    """What identifies one run: when it ended, the git commit (with `-dirty` for uncommitted edits), the lock's hash."""

    time: datetime
    commit: str
    lock: str

    @property
    def folder(self) -> str:
        """The name of the run's folder; names sort by time."""
        return f"{self.time:%Y%m%dT%H%M%S}-{self.commit}"


def stamp(time: datetime) -> Stamp:
    """The stamp of a run that ended at `time` in this checkout."""
    commit = git("rev-parse", "--short", "HEAD") or "uncommitted"
    dirty = "-dirty" if git("status", "--porcelain", "--untracked-files=no") else ""
    lock = hashlib.sha256(Path("dvc.lock").read_bytes()).hexdigest()[:12]
    return Stamp(time, commit + dirty, lock)


def html_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table whose cells are text, escaped."""

    def line(tag: str, cells: tuple[str, ...]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line('th', head)}{''.join(line('td', row) for row in rows)}</table>"


def run_section(run: Stamp, outcomes: list[Outcome], timings: Figures, changed: list[tuple[str, str, str]]) -> str:
    """The part of the stamped page that holds what may not stand in a reproducible report: time, cost, changes."""
    ran = [outcome for outcome in outcomes if outcome.state == "ran"]
    costs: list[tuple[str, ...]] = [
        (
            outcome.stage,
            f"{outcome.seconds:.1f}",
            text(timings[outcome.stage].get("work_seconds")),
            text(timings[outcome.stage].get("peak_memory_mebibytes")),
        )
        for outcome in ran
        if outcome.stage in timings
    ]
    facts = (
        f"Ended {run.time:%Y-%m-%d %H:%M:%S %Z}, commit {html.escape(run.commit)}, dvc.lock {run.lock}. "
        f"{len(ran)} of {len(outcomes)} stages ran, in {sum(outcome.seconds for outcome in ran):.0f} stage seconds."
    )
    difference = (
        html_table(("figure", "last run", "this run"), list(changed)) if changed else "<p>No figure changed.</p>"
    )
    return (
        f"<section id='this-run'><h2>This run</h2><p>{facts}</p>"
        f"{html_table(('stage', 'seconds', 'of it work', 'peak MiB'), costs)}"
        f"<h3>Change since the last run</h3>{difference}</section>"
    )


def last_figures(runs: Path) -> Figures:
    """The metrics of the newest run on record, or none."""
    files = sorted(runs.glob("*/metrics.json"))
    return json.loads(files[-1].read_text()) if files else {}


def write_record(runs: Path, run: Stamp, outcomes: list[Outcome], report: Path) -> Path:
    """Write `runs/<time>-<commit>/` with the stamped report and the metrics that the next run compares with."""
    stages = [outcome.stage for outcome in outcomes]
    metrics = read_figures(stages, "metrics.json")
    previous = last_figures(runs)
    changed = changes(previous, metrics) if previous else []
    section = run_section(run, outcomes, read_figures(stages, "timings.json"), changed)
    page = report.read_text(encoding="utf-8")
    body, closing, rest = page.rpartition("</main>") if "</main>" in page else page.rpartition("</body>")
    folder = runs / run.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"{body}{section}{closing}{rest}", encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    return folder / "index.html"

"""Settings side by side: what MLflow knows of the stages behind each, as rows of one table, as text and as a page."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from flows.graph import is_within
from flows.lineage import Stage, recorded_stage
from flows.record import html_table, text
from flows.settings import Setting
from stages.tracking.entries import flatten

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINAL, COST, INPUT = "final/", "cost/", "input/"
"""Beginnings of the names under which a stage's run holds its metrics, its cost and the hashes of its inputs."""

Rows = list[tuple[str, ...]]

TITLE = "Settings compared"
STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}"
    "th,td{border:1px solid #ccc;padding:.2rem .6rem;text-align:right}td:first-child{text-align:left}"
)


@dataclass(frozen=True)
class Result:
    """What became of a setting: git's commit and the `dvc.lock` in it, and the MLflow run of each stage that has one.

    Where a setting failed there is no lock.
    """

    setting: Setting
    commit: str
    lock: str
    is_new: bool
    runs: dict[str, "Run"]

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages of its `dvc.lock`."""
        return read_stages(self.lock)


def read_stages(lock: str) -> dict[str, Stage]:
    """The stages of the text of a `dvc.lock`."""
    stages = YAML(typ="safe").load(lock)["stages"] if lock else {}
    return {name: recorded_stage(name, entry) for name, entry in stages.items()}


def input_hashes(stages: dict[str, Stage], stage: Stage) -> dict[str, str]:
    """The hash of each output that a stage read, or of the output that holds what it read."""
    outputs = {path: md5 for other in stages.values() for path, md5 in other.writes.items()}
    return {path: md5 for path in stage.reads for output, md5 in outputs.items() if is_within(path, output)}


def _value(recorded: str) -> Any:
    """A parameter's value as a value: a stage that takes a fraction has 1 on record as 1.0."""
    try:
        return json.loads(recorded)
    except ValueError:
        return recorded


def is_of(run: "Run", stage: Stage, inputs: dict[str, str]) -> bool:
    """Whether a run had a stage's parameters and inputs."""
    had = {name.removeprefix(INPUT): md5 for name, md5 in run.data.tags.items() if name.startswith(INPUT)}
    parameters = flatten(stage.section)
    return (
        had == inputs
        and run.data.params.keys() == parameters.keys()
        and all(_value(run.data.params[name]) == _value(parameters[name]) for name in parameters)
    )


def stage_runs(client: "MlflowClient", experiment: str, lock: str, name: str) -> dict[str, "Run"]:
    """The MLflow run of each stage of a lock: the newest with its parameters and inputs, those of `name` first.

    A stage that was restored has no run of its own, and a stage cannot know its output's hash: hence this join.
    """
    stages = read_stages(lock)
    found: dict[str, Run] = {}
    for stage in stages.values():
        inputs = input_hashes(stages, stage)
        wanted = [f"tags.stage = '{stage.name}'", "attributes.status = 'FINISHED'"]
        wanted += [f"tags.`{INPUT}{path}` = '{md5}'" for path, md5 in inputs.items()]
        runs = client.search_runs([experiment], " and ".join(wanted), order_by=["attributes.start_time DESC"])
        fitting = [run for run in runs if is_of(run, stage, inputs)]
        fitting.sort(key=lambda run: run.data.tags.get("dvc.experiment") != name)
        if fitting:
            found[stage.name] = fitting[0]
    return found


def parameter_rows(results: Sequence[Result]) -> Rows:
    """The parameters that are not the same in all settings that ran."""
    ran = [flatten({stage.name: stage.section for stage in result.stages.values()}) for result in results]
    names = dict.fromkeys(name for parameters in ran for name in parameters)
    differing = [name for name in names if len({parameters.get(name) for parameters in ran if parameters}) > 1]
    return [(name, *(parameters.get(name, "") for parameters in ran)) for name in differing]


def figures(result: Result) -> dict[str, float]:
    """The final metrics of all stages, as `<stage>.<name>`."""
    return {
        f"{stage}.{name.removeprefix(FINAL)}": value
        for stage, run in result.runs.items()
        for name, value in sorted(run.data.metrics.items())
        if name.startswith(FINAL)
    }


def metric_rows(results: Sequence[Result], patterns: Iterable[str]) -> Rows:
    """The headline metrics, which have an interval, and those that a pattern names; all if there are none of these."""
    ran = [figures(result) for result in results]
    names = dict.fromkeys(name for found in ran for name in found)
    bounds = {f"{name}_{bound}" for name in names for bound in ("low", "high", "n")}
    shown = [
        name
        for name in names
        if name not in bounds and (f"{name}_low" in names or any(fnmatch(name, pattern) for pattern in patterns))
    ]
    return [(name, *(_with_interval(found, name) for found in ran)) for name in shown or names]


def _with_interval(found: dict[str, float], name: str) -> str:
    low, high = found.get(f"{name}_low"), found.get(f"{name}_high")
    interval = f" ({text(low)} to {text(high)})" if low is not None and high is not None else ""
    return text(found.get(name)) + interval


def cost_rows(results: Sequence[Result]) -> Rows:
    """What the stages behind each setting cost, and what of it was spent on this setting alone."""

    def costs(result: Result, name: str, own: bool = False) -> list[float]:
        runs = [run for run in result.runs.values() if not own or _is_own(result, run)]
        return [run.data.metrics[COST + name] for run in runs if COST + name in run.data.metrics]

    return [
        ("seconds of work", *(text(sum(costs(result, "work_seconds")) or None) for result in results)),
        ("of it for this setting", *(text(sum(costs(result, "work_seconds", own=True)) or None) for result in results)),
        ("peak MiB", *(text(max(costs(result, "peak_memory_mebibytes"), default=None)) for result in results)),
    ]


def _is_own(result: Result, run: "Run") -> bool:
    return run.data.tags.get("dvc.experiment") == result.setting.name


def hash_rows(results: Sequence[Result]) -> Rows:
    """What identifies each setting, its outputs and its commit, and how much of it MLflow knows."""
    locks = [hashlib.sha256(result.lock.encode()).hexdigest()[:12] if result.lock else "" for result in results]
    return [
        ("experiment", *(result.setting.name for result in results)),
        ("commit", *(result.commit[:12] for result in results)),
        ("dvc.lock", *locks),
        ("stages in MLflow", *(f"{len(result.runs)} of {len(result.stages)}" for result in results)),
    ]


def table(results: Sequence[Result], patterns: Iterable[str] = ()) -> tuple[tuple[str, ...], Rows]:
    """The head and the rows: a column for each setting."""
    states = ["failed" if not result.lock else "ran" if result.is_new else "found" for result in results]
    rows = [("state", *states)]
    rows += parameter_rows(results) + metric_rows(results, patterns) + cost_rows(results) + hash_rows(results)
    return ("setting", *(result.setting.text for result in results)), rows


def as_text(head: tuple[str, ...], rows: Rows) -> str:
    """The table for a terminal, names to the left and values to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in (head, *rows)
    ]
    return "\n".join(lines)


def as_page(head: tuple[str, ...], rows: Rows) -> str:
    """The table as a page that needs no other file."""
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{TITLE}</title><style>{STYLE}</style>"
        f"<h1>{TITLE}</h1>{html_table(head, rows)}</html>\n"
    )

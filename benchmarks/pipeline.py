"""What a run of the whole pipeline costs: each stage's start, work and memory, and how long it takes to do nothing.

Brings the pipeline up to date first, then reads what the last run of each stage left in `data/*/timings.json`. With
`--full` it also runs everything again, by `dvc repro` and by the flow; with `--set-up` it sets up a fresh clone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import Row, table, write
from stages.parameters import read_parameters

GROUPS = {
    "text": (
        ("collect", "clean", "deduplicate", "compose", "decontaminate", "validate", "train_tokenizer", "encode"),
        75.0,
    ),
    "pretrain": (("pretrain",), 270.0),
    "finetune": (("finetune",), 40.0),
    "instruct": (("instruct",), 50.0),
    "sample and rank": (("sample", "rank"), 40.0),
    "train_reward": (("train_reward",), 40.0),
    "ppo": (("ppo",), 110.0),
    "evaluate and probe": (("evaluate", "probe"), 70.0),
    "export and report": (("export", "report"), 15.0),
}
"""Stages that share a budget, and the seconds that it allows for their start and work."""

WITHOUT_TORCH = {*GROUPS["text"][0], "rank", "report"}
START_SECONDS = 8.0
START_SECONDS_WITHOUT_TORCH = 3.0
PEAK_MEBIBYTES = 4096.0
RUN_SECONDS = 900.0
SET_UP_SECONDS = 240.0
IDLE_DVC_SECONDS = 3.0
IDLE_FLOW_SECONDS = 25.0
BESIDE_SECONDS = 20.0

IDLE_RUNS = 3

Content = dict[str, dict[str, Any]]
"""The contents of one file of every stage, by stage."""

DVC = [sys.executable, "-m", "dvc", "repro", "--quiet"]
FLOW = [sys.executable, "-m", "flows.pipeline"]


def read(stages: Sequence[str], name: str) -> Content:
    """The file `data/<stage>/<name>` of every stage that has it."""
    paths = {stage: Path("data", stage, name) for stage in stages}
    return {stage: json.loads(path.read_text(encoding="utf-8")) for stage, path in paths.items() if path.is_file()}


def stage_rows(timings: Content, metrics: Content) -> list[Row]:
    """Start, work and peak memory of every stage, and tokens per second of those that count tokens."""
    rows = []
    for stage, cost in timings.items():
        goal = START_SECONDS_WITHOUT_TORCH if stage in WITHOUT_TORCH else START_SECONDS
        rows += [
            Row(f"{stage}: start", "s", cost["start_seconds"], goal),
            Row(f"{stage}: work", "s", cost["work_seconds"]),
            Row(f"{stage}: peak memory", "MiB", cost["peak_memory_mebibytes"], PEAK_MEBIBYTES),
        ]
        if "tokens" in metrics.get(stage, {}):
            rows.append(Row(f"{stage}: speed", "tokens/s", round(metrics[stage]["tokens"] / cost["work_seconds"], 1)))
    return rows


def group_rows(timings: Content) -> list[Row]:
    """The budgets: seconds of start and work of the stages that share one, and of all together."""
    seconds = {stage: cost["start_seconds"] + cost["work_seconds"] for stage, cost in timings.items()}
    rows = []
    for name, (stages, goal) in GROUPS.items():
        missing = [stage for stage in stages if stage not in seconds]
        ours = None if missing else round(sum(seconds[stage] for stage in stages), 2)
        rows.append(Row(f"{name}, all in all", "s", ours, goal, why=_without(missing)))
    rows.append(Row("all stages, one after the other", "s", round(sum(seconds.values()), 2)))
    rows.append(
        Row("largest peak memory", "MiB", max(cost["peak_memory_mebibytes"] for cost in timings.values()), 4096)
    )
    return rows


def _without(missing: Sequence[str]) -> str | None:
    return f"no timings of {', '.join(missing)}" if missing else None


def environment() -> dict[str, str]:
    """The environment of a run: the commands in `dvc.yaml` say `python`, which has to be this one."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def seconds(command: Sequence[str], where: Path = Path()) -> float:
    """How long a command takes; its output goes to standard error, and its failure is ours."""
    start = time.perf_counter()
    subprocess.run(command, cwd=where, env=environment(), stdout=sys.stderr, check=True)
    return time.perf_counter() - start


def idle_rows() -> list[Row]:
    """How long it takes to find out that there is nothing to do."""
    goals = (("dvc repro", DVC, IDLE_DVC_SECONDS), ("the flow", FLOW, IDLE_FLOW_SECONDS))
    return [
        Row(
            f"nothing to do: {name}",
            "s",
            round(statistics.median(seconds(command) for _ in range(IDLE_RUNS)), 2),
            goal,
            runs=IDLE_RUNS,
        )
        for name, command, goal in goals
    ]


def full_rows() -> list[Row]:
    """Everything again: by DVC alone, then by the flow, whose surplus is Prefect's and its server's."""
    alone = seconds([*DVC, "--force"])
    by_flow = seconds([*FLOW, "--force"])
    return [
        Row("everything again: dvc repro", "s", round(alone, 1), RUN_SECONDS),
        Row("everything again: the flow", "s", round(by_flow, 1), RUN_SECONDS, round(alone, 1), "dvc repro"),
        Row("Prefect and its server beside dvc repro", "s", round(by_flow - alone, 1), BESIDE_SECONDS),
    ]


def set_up_row() -> Row:
    """Set-up of a fresh clone, the download of the environment included."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
        return Row("set-up of a fresh clone", "s", round(seconds(["make", "setup"], clone), 1), SET_UP_SECONDS)


def measure(stages: Sequence[str], options: Mapping[str, bool]) -> list[Row]:
    """All rows, once every stage is up to date."""
    seconds(DVC)
    idle = idle_rows()
    full = full_rows() if options["full"] else []
    set_up = [set_up_row()] if options["set_up"] else []
    timings, metrics = read(stages, "timings.json"), read(stages, "metrics.json")
    return [*stage_rows(timings, metrics), *group_rows(timings), *idle, *full, *set_up]


def main() -> None:
    """Measure, write the results, print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also run everything again, by DVC and by the flow")
    parser.add_argument("--set-up", action="store_true", help="also set up a fresh clone")
    rows = measure(list(read_parameters(Path("dvc.yaml"))["stages"]), vars(parser.parse_args()))
    path = write("pipeline", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

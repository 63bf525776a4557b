"""The form of every benchmark's results: rows with their goals, the machine, the date and the commit."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path("benchmarks/results")


@dataclass(frozen=True)
class Row:
    """One measured figure; medians where there was more than one run."""

    what: str
    unit: str
    ours: float | None
    """Null where it was not measured; `why` says so then."""
    goal: float | None = None
    peer: float | None = None
    peer_name: str | None = None
    ratio: float | None = None
    """Ours to the peer's; larger is better, whatever the unit."""
    runs: int = 1
    why: str | None = None
    """Why a figure, or the peer's, is null or misses its goal, or what decides it."""


def beside(
    what: str,
    unit: str,
    ours: float,
    peer: float,
    peer_name: str,
    times: float | None,
    runs: int = 1,
    less: bool = False,
) -> Row:
    """Ours beside a peer's; the goal is so many times the peer's figure or, where less is better, that part of it."""
    ratio = peer / ours if less else ours / peer
    goal = None if times is None else round(peer / times if less else times * peer, 1)
    why = f"below its goal of {times:g} times" if times is not None and ratio < times else None
    return Row(what, unit, round(ours, 1), goal, round(peer, 2), peer_name, round(ratio, 2), runs, why)


def most(what: str, unit: str, value: float, goal: float, runs: int = 1) -> Row:
    """A row of what should not be more than its goal; it says so where it is."""
    return Row(what, unit, round(value, 4), goal, runs=runs, why="more than its goal" if value > goal else None)


def processor() -> str:
    """The processor's name as the kernel states it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gibibytes": round(gibibytes, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """The short hash of the checked-out commit, with `-dirty` where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "uncommitted"


def write(name: str, rows: Sequence[Row]) -> Path:
    """Write `benchmarks/results/<name>.json`."""
    content = {
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    head = ("what", "unit", "ours", "goal", "peer", "ratio")
    lines = [
        (row.what, row.unit, number(row.ours), number(row.goal), number(row.peer), number(row.ratio)) for row in rows
    ]
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in [head, tuple("-" * width for width in widths), *lines]
    )


def number(value: float | None) -> str:
    """A figure for the table; empty where there is none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"

"""What a terabyte would cost on a cluster: extrapolated from the speed of each step on one core, never measured."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.own_steps import BANDS, link
from benchmarks.planted_corpus import COPY_SHARE
from benchmarks.record import Row
from stages.seeding import generator
from stages.text.band_join import RECORD_BYTES
from stages.text.kernels import may_be_shared

TERABYTE = 1e6
"""Megabytes."""
CORES = 32
STORAGE = 1_250.0
"""Megabytes a second that all cores share for reading and writing: a link of 10 gigabits."""
JOINED = 2_000_000
"""Band entries, and links of documents, by which the speed of joining is measured."""

STAGES: dict[str, tuple[str, ...]] = {
    "collect": ("read", "write"),
    "clean": ("read", "repair", "language", "measures", "personal data", "write"),
    "deduplicate": ("read", "signatures", "read", "write"),
    "decontaminate": ("read", "decontamination", "write"),
    "encode": ("read", "encode"),
}
"""The chain's steps that each stage takes; deduplicate reads twice, once to sign and once to keep."""

PASSES = {"collect": 2, "clean": 2, "deduplicate": 3, "decontaminate": 2, "encode": 1}
"""How often a stage reads or writes all of the text."""

TOKEN_SHARE = 0.5
"""Bytes of tokens for each byte of text: two for each token of some four bytes."""


@dataclass(frozen=True)
class Counted:
    """What the extrapolation needs beside the speeds."""

    compressed: float
    """Bytes on disk for each byte of text."""
    documents: float
    """Of each megabyte."""
    joined: float
    """Band entries that one core sorts and compares in a second."""
    linked: float
    """Pairs of documents that one core adds to clusters in a second."""


def counted(folder: Path, size: float) -> Counted:
    """What the chain left in `folder` of so many megabytes, and the speed of the band join on made-up keys."""
    written = folder / "written.parquet"
    drawn = generator(1, "band join")
    keys = drawn.integers(0, 2**64, size=JOINED, dtype=np.uint64)
    may_be_shared(keys[:1])  # compiles
    began = time.process_time()
    shared = np.flatnonzero(may_be_shared(keys))
    np.argsort(keys[shared], kind="stable")
    sorted_seconds = time.process_time() - began
    few = JOINED // 10
    pairs = drawn.integers(0, JOINED, size=(few, 2))
    link(JOINED, pairs[:1])  # compiles
    began = time.process_time()
    link(JOINED, pairs)
    linked_seconds = time.process_time() - began
    return Counted(
        compressed=written.stat().st_size / (size * 1e6),
        documents=pq.read_metadata(written).num_rows / size,
        joined=JOINED / sorted_seconds,
        linked=few / linked_seconds,
    )


def hours(seconds: float) -> float:
    """Hours to two places."""
    return round(seconds / 3600, 2)


def stage_seconds(speeds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each stage's computing for a terabyte on all cores, given MB/s of each step on one."""
    return {stage: sum(TERABYTE / speeds[step] for step in steps) / CORES for stage, steps in STAGES.items()}


def join_seconds(found: Counted) -> tuple[float, float, float]:
    """Seconds that the band files need: sorting on all cores, writing and reading them, and linking on one core."""
    documents = TERABYTE * found.documents
    entries = documents * BANDS
    moved = 2 * entries * RECORD_BYTES / 1e6
    return entries / found.joined / CORES, moved / STORAGE, documents * COPY_SHARE / found.linked


def storage_seconds(found: Counted) -> dict[str, float]:
    """Seconds that each stage's reading and writing of the text takes at the speed that the cores share."""
    seconds = {stage: passes * TERABYTE * found.compressed / STORAGE for stage, passes in PASSES.items()}
    return seconds | {"encode": seconds["encode"] + TERABYTE * TOKEN_SHARE / STORAGE}


def cost_rows(speeds: Mapping[str, float], found: Counted) -> list[Row]:
    """Hours of each stage on a cluster, and what would hold it up; no figure of them is measured."""
    prefix = f"extrapolated to 1 TB on {CORES} cores: "
    computed, moved = stage_seconds(speeds), storage_seconds(found)
    sort, bands, link = join_seconds(found)
    rows = []
    for stage, steps in STAGES.items():
        slowest = min(steps, key=lambda step: speeds[step])
        held_up = slowest if computed[stage] >= moved[stage] else f"storage of {STORAGE:g} MB/s"
        rows.append(Row(f"{prefix}{stage}", "h", hours(max(computed[stage], moved[stage])), why=f"most: {held_up}"))
    rows += [
        Row(f"{prefix}band join, sorting", "h", hours(sort)),
        Row(f"{prefix}band join, writing and reading", "h", hours(bands), why=f"storage of {STORAGE:g} MB/s"),
        Row(f"{prefix}band join, linking on one core", "h", hours(link), why="more cores do not help"),
    ]
    largest = max(rows, key=lambda row: row.ours or 0)
    total = round(sum(row.ours or 0 for row in rows), 2)
    bottleneck = f"the bottleneck is {largest.what.removeprefix(prefix)}, {largest.why or 'on all cores'}"
    return [*rows, Row(f"{prefix}all of it", "h", total, why=bottleneck)]

"""The split of each document, and the purpose of a training document: from hashes and versions alone."""

import math
import re
from collections import Counter
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import AfterValidator, Field

from stages.seeding import uniform

SPLIT_SCHEMA = pa.schema(
    [
        pa.field("document_id", pa.string()),
        pa.field("split", pa.string(), metadata={"doc": "train, validation, test or after_cutoff"}),
    ],
    metadata={"schema_version": "1"},
)
FEWEST_PATHS = 8
"""A source with so many files or more has all three splits, whatever the hashes say."""

Version = tuple[int, ...]
Shares = dict[str, Annotated[float, Field(ge=0, le=1)]]


def named(*names: str) -> AfterValidator:
    """A validator of shares that go by these names and no others."""

    def check(shares: Shares) -> Shares:
        if set(shares) != set(names):
            raise ValueError(f"needs {', '.join(names)} and nothing else")
        return shares

    return AfterValidator(check)


def whole(shares: Shares) -> Shares:
    """The shares, which must sum to 1."""
    if not math.isclose(sum(shares.values()), 1.0):
        raise ValueError(f"sums to {sum(shares.values()):.4g} and must sum to 1")
    return shares


def partial(shares: Shares) -> Shares:
    """The shares, which must leave something of the whole."""
    if sum(shares.values()) >= 1:
        raise ValueError(f"sums to {sum(shares.values()):.4g} and must stay below 1: the rest trains")
    return shares


def version_order(version: str) -> Version:
    """A version as numbers, so that 1.10 follows 1.9; trailing zeros do not count. Empty if it states no number."""
    stated = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    numbers = [int(number) for number in stated[1].split(".")] if stated else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def newest_versions(versions: pd.Series, share: float) -> set[str]:
    """The newest versions of one source that together hold at most `share` of its versioned documents, at least one.

    A source that states a single version has none: nothing would be left to know.
    """
    counts = Counter(version for version in versions.dropna() if version_order(version))
    ordered = sorted(counts, key=lambda version: (version_order(version), version), reverse=True)
    if len({version_order(version) for version in ordered}) < 2:
        return set()
    newest: set[str] = set()
    held = 0
    for version in ordered:
        held += counts[version]
        same_release = newest and version_order(version) in {version_order(kept) for kept in newest}
        if newest and not same_release and held > share * counts.total():
            break
        newest.add(version)
    return newest


def assign(documents: pd.DataFrame, seed: int, shares: dict[str, float], cutoff_share: float) -> pd.Series:
    """The split of each document.

    `documents` has the columns source, path, name, kind, version and text. A module's documents share a split, drawn
    from a hash of source and path. What the newest versions added is `after_cutoff`: the documents that state it,
    what is named below them, and the source code that defines them.
    """
    splits = pd.Series("train", index=documents.index)
    for source, rows in documents.groupby("source", sort=True):
        of_path = _split_paths(str(source), sorted(rows["path"].unique()), seed, shares)
        splits[rows.index] = rows["path"].map(of_path)
        splits[_after_cutoff(rows, newest_versions(rows["version"], cutoff_share))] = "after_cutoff"
    return splits


def _split_paths(source: str, paths: list[str], seed: int, shares: dict[str, float]) -> dict[str, str]:
    place = {path: uniform(seed, "split", source, path) for path in paths}
    border = shares["validation"] + shares["test"]
    of_path = {
        path: "test" if place[path] < shares["test"] else "validation" if place[path] < border else "train"
        for path in paths
    }
    if len(paths) >= FEWEST_PATHS:
        first, second = sorted(paths, key=place.__getitem__)[:2]
        if "test" not in of_path.values():
            of_path[first] = "test"
        if "validation" not in of_path.values():
            of_path[second] = "validation"
    return of_path


def _after_cutoff(rows: pd.DataFrame, newest: set[str]) -> pd.Index:
    stated = rows[rows["version"].isin(newest)]
    if stated.empty:
        return stated.index
    names = set(stated["name"].dropna())
    below = rows["name"].map(lambda name: isinstance(name, str) and any(parent in names for parent in _parents(name)))
    code = rows[(rows["kind"] == "code") & rows["path"].isin(stated["path"])]
    defined = {
        path: {name.rsplit(".", 1)[-1] for name in group.dropna()} for path, group in stated.groupby("path")["name"]
    }
    defining = [
        index
        for index, path, text in zip(code.index, code["path"], code["text"], strict=True)
        if any(re.search(rf"^\s*(?:def|class) {re.escape(name)}\b", text, re.MULTILINE) for name in defined[path])
    ]
    return stated.index.union(rows.index[below.to_numpy(dtype=bool)]).union(pd.Index(defining, dtype=np.int64))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def purpose(document_id: str, seed: int, shares: dict[str, float]) -> str:
    """What a training document is for: the first of `shares` (they sum to 1) whose share its hash falls into."""
    place, border = uniform(seed, "purpose", document_id), 0.0
    for name, share in shares.items():
        border += share
        if place < border:
            return name
    return name

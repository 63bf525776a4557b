"""How time and memory of the text stages grow with the text, and how many planted near duplicates they find.

Runs the stages' own commands on corpora of known copies. compose, validate and train_tokenizer are left out: splits,
verdict and vocabulary are stand-ins (`benchmarks.scaled_project`). A run that was cut off goes on where it was; 1 GB of
text takes some 5 GB of disk. Needs the documents, tasks and tokenizer of a run of the pipeline (`make run`).
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.material import collected
from benchmarks.record import Row, most, table, write
from benchmarks.scaled_project import Cost, ScaledProject
from stages.seeding import key_hash

MEGABYTES = (100.0, 1_000.0)
FOLDER = Path("runs/text_growth")
TIME_GOAL = 1.1
"""Times the growth of the text."""
MEMORY_GOAL = 1.2
RECALL_GOAL = 0.99
FALSE_GOAL = 0.01


class Member(NamedTuple):
    """A document that was compared with the others."""

    id: str
    family: int
    """Number of the planted document that it is, or is a copy of."""
    copy: str
    """none, exact or edited."""


def members(project: ScaledProject) -> list[Member]:
    """The documents that clean left for deduplicate, each with what it was planted as."""
    planted: dict[int, tuple[int, str]] = {}
    for part in sorted(project.corpus.glob("*.parquet")):
        columns = (column.to_pylist() for column in pq.read_table(part).select(["text", "family", "copy"]).columns)
        for text, family, copy in zip(*columns, strict=True):
            if copy != "exact":  # its text is that of its original
                planted[key_hash(text)] = family, copy
    kept = set(pq.read_table(project.data("clean", "documents"), columns=["id"]).column("id").to_pylist())
    found = []
    for part in sorted(project.data("collect", "documents").glob("*.parquet")):
        columns = (column.to_pylist() for column in pq.read_table(part, columns=["id", "text"]).columns)
        found += [Member(name, *planted[key_hash(text)]) for name, text in zip(*columns, strict=True) if name in kept]
    return found


def recall(found: Iterable[Member], clusters: Mapping[str, str]) -> float:
    """The share of edited copies that are in one cluster with their original, where both were compared."""
    found = list(found)
    originals = {one.family: clusters.get(one.id) for one in found if one.copy == "none"}
    edited = [one for one in found if one.copy == "edited" and one.family in originals]
    hits = [originals[one.family] is not None and clusters.get(one.id) == originals[one.family] for one in edited]
    return sum(hits) / max(len(hits), 1)


def false_share(found: Iterable[Member], clusters: Mapping[str, str]) -> float:
    """The share of clusters that hold documents of several families, which were planted as nothing alike."""
    families = defaultdict(set)
    for one in found:
        if one.id in clusters:
            families[clusters[one.id]].add(one.family)
    return sum(len(members) > 1 for members in families.values()) / max(len(families), 1)


def cost_rows(costs: Mapping[float, Mapping[str, Cost]]) -> list[Row]:
    """Seconds and peak memory of each stage for each size, and all stages together."""
    rows = []
    for size, stages in costs.items():
        for stage, cost in stages.items():
            rows.append(Row(f"{size:g} MB: {stage}", "s", cost.seconds))
            rows.append(Row(f"{size:g} MB: {stage}, largest process", "MiB", cost.peak_mebibytes))
        rows.append(Row(f"{size:g} MB: all stages", "s", round(sum(cost.seconds for cost in stages.values()), 2)))
    return rows


def growth_rows(costs: Mapping[float, Mapping[str, Cost]]) -> list[Row]:
    """How much longer, and how much more memory, the largest corpus takes than the smallest: all in all, by stage."""
    small, large = min(costs), max(costs)
    if small == large:
        return []
    title = f"{large:g} MB to {small:g} MB"
    before, after = costs[small], costs[large]
    seconds = sum(cost.seconds for cost in after.values()) / sum(cost.seconds for cost in before.values())
    memory = max(cost.peak_mebibytes for cost in after.values()) / max(cost.peak_mebibytes for cost in before.values())
    rows = [most(f"{title}: time of all stages", "times", seconds, round(TIME_GOAL * large / small, 2))]
    largest = max(after, key=lambda stage: after[stage].peak_mebibytes)
    rows += [most(f"{title}: memory of the largest process ({largest})", "times", memory, MEMORY_GOAL)]
    for stage, cost in after.items():
        longer, more = cost.seconds / before[stage].seconds, cost.peak_mebibytes / before[stage].peak_mebibytes
        rows += [
            Row(f"{title}: time of {stage}", "times", round(longer, 2)),
            Row(f"{title}: memory of {stage}", "times", round(more, 2)),
        ]
    return rows


def duplicate_rows(project: ScaledProject) -> list[Row]:
    """What deduplicate found of the planted copies, and what it joined that is nothing alike."""
    columns = pq.read_table(project.data("deduplicate", "clusters.parquet"), columns=["id", "cluster"])
    clusters = dict(zip(*(column.to_pylist() for column in columns.columns), strict=True))
    found = members(project)
    share = recall(found, clusters)
    title = f"{project.megabytes:g} MB"
    missed = "less than its goal" if share < RECALL_GOAL else None
    return [
        Row(f"{title}: documents compared", "documents", len(found)),
        Row(
            f"{title}: copies with 1 % of words changed that were found",
            "share",
            round(share, 5),
            RECALL_GOAL,
            why=missed,
        ),
        most(f"{title}: clusters of what is nothing alike", "share", false_share(found, clusters), FALSE_GOAL),
    ]


def main() -> None:
    """Measure, write the results, print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text_growth", description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=MEGABYTES, help="sizes of the corpora")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the projects lie, and stay")
    options = parser.parse_args()
    texts = collected()
    costs: dict[float, dict[str, Cost]] = {}
    duplicates: list[Row] = []
    for size in sorted(options.megabytes):
        project = ScaledProject(options.folder.resolve() / f"{size:g}", size)
        project.set_up(texts)
        costs[size] = dict(project.measure())
        duplicates += duplicate_rows(project)
    rows = [*growth_rows(costs), *duplicates, *cost_rows(costs)]
    path = write("text_growth", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

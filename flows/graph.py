"""The stages that `dvc.yaml` declares, what each waits for, and an order to run them in."""

import graphlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


@dataclass(frozen=True)
class Graph:
    """For each stage, in running order, the stages whose outputs it reads."""

    upstream: dict[str, tuple[str, ...]]

    @property
    def stages(self) -> list[str]:
        """Every stage, each behind what it waits for."""
        return list(self.upstream)

    def behind(self, first: str) -> list[str]:
        """`first` and every stage that reads from it, directly or not, in running order."""
        found = {first}
        for stage in self.stages:
            if found.intersection(self.upstream[stage]):
                found.add(stage)
        return [stage for stage in self.stages if stage in found]


def _paths(entries: list[Any]) -> list[str]:
    """Paths of a dvc.yaml list, where an entry is a path or a mapping from a path to its settings."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def is_within(path: str, folder: str) -> bool:
    """Whether a path is a folder or file, or lies in it."""
    return f"{path}/".startswith(f"{folder}/")


def overlap(path: str, other: str) -> bool:
    """Whether one of two paths is, or lies in, the other."""
    return is_within(path, other) or is_within(other, path)


def read_graph(pipeline: Path) -> Graph:
    """The graph that dependencies and outputs imply; stages that could run in any order keep the file's order."""
    stages = YAML(typ="safe").load(pipeline)["stages"]
    outputs = {
        name: _paths([entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])])
        for name, stage in stages.items()
    }
    upstream = {
        name: tuple(
            other
            for other in stages
            if other != name
            and any(overlap(path, output) for path in _paths(stage.get("deps", [])) for output in outputs[other])
        )
        for name, stage in stages.items()
    }
    order = list(graphlib.TopologicalSorter(upstream).static_order())
    position = {name: place for place, name in enumerate(stages)}
    if all(position[before] < position[name] for name in stages for before in upstream[name]):
        order = list(stages)
    return Graph({name: upstream[name] for name in order})

"""The stages that `dvc.yaml` declares, what each waits for, and an order to run them in."""

import graphlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

OUTPUTS = ("outs", "metrics", "plots")
"""The lists of a stage that name what it writes."""


class UnknownStageError(Exception):
    """A name that no stage has."""


@dataclass(frozen=True)
class Graph:
    """For each stage, in running order, the stages whose outputs it reads."""

    upstream: dict[str, tuple[str, ...]]

    @property
    def stages(self) -> list[str]:
        """Every stage, each behind what it waits for."""
        return list(self.upstream)

    def behind(self, first: str) -> list[str]:
        """`first` and every stage that reads from it, directly or not, in running order; UnknownStageError."""
        if first not in self.upstream:
            raise UnknownStageError(f"no stage {first!r}; there are {', '.join(self.stages)}")
        found = {first}
        for stage in self.stages:
            if found.intersection(self.upstream[stage]):
                found.add(stage)
        return [stage for stage in self.stages if stage in found]


def declared(stage: dict[str, Any], *kinds: str) -> list[str]:
    """What lists of a stage in dvc.yaml name; an entry is a name or a mapping from a name to its settings."""
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
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
    outputs = {name: declared(stage, *OUTPUTS) for name, stage in stages.items()}
    upstream = {
        name: tuple(
            other
            for other in stages
            if other != name
            and any(overlap(path, output) for path in declared(stage, "deps") for output in outputs[other])
        )
        for name, stage in stages.items()
    }
    order = list(graphlib.TopologicalSorter(upstream).static_order())
    position = {name: place for place, name in enumerate(stages)}
    if all(position[before] < position[name] for name in stages for before in upstream[name]):
        order = list(stages)
    return Graph({name: upstream[name] for name in order})

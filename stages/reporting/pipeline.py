"""The pipeline as `dvc.yaml` states it: its stages in order, what each writes, and which reads what another wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stages.parameters import read_parameters


@dataclass(frozen=True)
class Node:
    """A stage in the picture."""

    name: str
    outputs: tuple[str, ...]
    """File and folder names under its folder of `data/`."""
    reads: tuple[str, ...]
    """Stages that it reads from."""


def nodes(path: Path) -> list[Node]:
    """The stages of a `dvc.yaml`, each after all that it reads from; ties in the order of the file."""
    stages = read_parameters(path)["stages"]
    reads = {name: _reads(stage) & stages.keys() for name, stage in stages.items()}
    ordered: list[str] = []
    while len(ordered) < len(stages):
        ordered.append(next(name for name in stages if name not in ordered and reads[name] <= set(ordered)))
    return [Node(name, _outputs(stages[name]), tuple(one for one in ordered if one in reads[name])) for name in ordered]


def edges(stages: list[Node]) -> list[tuple[int, int]]:
    """Places of writer and reader for each dependency between stages."""
    place = {node.name: index for index, node in enumerate(stages)}
    return [(place[writer], place[node.name]) for node in stages for writer in node.reads]


def _reads(stage: Mapping[str, Any]) -> set[str]:
    paths = [PurePosixPath(dependency) for dependency in stage.get("deps", [])]
    return {path.parts[1] for path in paths if len(path.parts) > 1 and path.parts[0] == "data"}


def _outputs(stage: Mapping[str, Any]) -> tuple[str, ...]:
    listed = [*stage.get("outs", []), *stage.get("plots", [])]
    # An output with settings is a mapping of one key.
    names = [next(iter(output)) if isinstance(output, dict) else output for output in listed]
    return tuple("/".join(PurePosixPath(name).parts[2:]) for name in names)

"""The snapshot of the demonstrations that people wrote."""

from collections.abc import Iterator
from pathlib import Path

from stages.text.demonstrations import Demonstration
from stages.text.records import read_records


def faults(demonstration: Demonstration) -> Iterator[str]:
    """What makes a demonstration useless to learn from."""
    if not demonstration.messages or demonstration.messages[-1].role != "assistant":
        yield "it does not end with an assistant's turn"


def read_demonstrations(path: Path) -> list[Demonstration]:
    """Every demonstration of a snapshot; broken lines are a data error that names them."""
    return read_records(path, Demonstration, faults)

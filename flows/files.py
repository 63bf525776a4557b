"""Write a file so that no reader, and no kill, finds half of it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A text file to write; it takes its place, on the disk too, once the body is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

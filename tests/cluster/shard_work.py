"""Work on shards that other processes can import, as a stage's is."""

import os
import time
from pathlib import Path

from stages.errors import ExitCode, StageError


def spell(seconds: float, shard: Path, folder: Path) -> None:
    """Write a shard's text in capitals, and who did it beside."""
    time.sleep(seconds)
    (folder / "text").write_text(shard.read_text().upper())
    with (shard.parent / "done").open("a") as done:
        done.write(f"{shard.stem} {os.getpid()}\n")


def refuse(shard: Path, folder: Path) -> None:
    """Fail as a user can make it fail."""
    (folder / "half").write_text("hal")
    raise StageError(ExitCode.DATA, "no text", shard.name, "Write some.")


def shards(folder: Path, count: int) -> list[Path]:
    """Small shards, each of its own."""
    paths = [folder / f"part-{number:05}.txt" for number in range(count)]
    for path in paths:
        path.write_text(f"text of {path.stem}")
    return paths


def written(folders: list[Path]) -> list[str]:
    """What `spell` has written for each."""
    return [(folder / "text").read_text() for folder in folders]

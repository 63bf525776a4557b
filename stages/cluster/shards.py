"""Make one folder of each shard, on any engine, without making those again that an earlier start has finished."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from stages.cluster.engines import Engine
from stages.progress import Progress

PARTIAL = ".partial"


def map_shards(
    title: str, work: Callable[[Path, Path], None], shards: Sequence[Path], finished: Path, engine: Engine
) -> list[Path]:
    """The folder in `finished` that `work(shard, folder)` fills for each shard, in the order of the shards.

    `finished` belongs to these inputs, parameters and code alone, so what lies in it needs no doing. A folder has its
    name once all of it is there. Shards have names that differ.
    """
    remove_unfinished(finished)
    folders = [finished / shard.stem for shard in shards]
    pairs = [(shard, folder) for shard, folder in zip(shards, folders, strict=True) if not folder.is_dir()]
    with (
        Progress(title, len(shards), "shard", start=len(shards) - len(pairs)) as progress,
        contextlib.closing(engine.map(partial(fill, work), pairs)) as filled,
    ):
        for _ in filled:
            progress.update(progress.done + 1)
    remove_unfinished(finished)  # of nodes that were lost
    return folders


def remove_unfinished(finished: Path) -> None:
    """Remove what was left by tasks that never came to their end."""
    for unfinished in finished.glob(f"*{PARTIAL}"):
        shutil.rmtree(unfinished, ignore_errors=True)


def fill(work: Callable[[Path, Path], None], pair: tuple[Path, Path]) -> None:
    """Let `work` fill a folder of a name of its own, and give it its right name unless another try was first.

    A task whose node was taken for lost may still be at work beside the one that does it again.
    """
    shard, folder = pair
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(PARTIAL, f"{folder.name}-", folder.parent))
    work(shard, own)
    try:
        own.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(own, ignore_errors=True)

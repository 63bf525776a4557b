"""Where a stage writes until its outputs are whole: under its final name an output is whole or not there."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from stages.errors import StageError

UNFINISHED = "unfinished"


def remove(path: Path) -> None:
    """Remove a file, a folder or a link, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_in_place(folder: Path, output: Path, declared: Iterable[Path]) -> None:
    """Move what lies in `folder` to `output`; older outputs go, those that were not written again too, as with DVC."""
    written = sorted(folder.iterdir())
    for path in [*(path for path in declared if path.is_relative_to(output)), *(output / one.name for one in written)]:
        remove(path)
    for path in written:
        path.rename(output / path.name)


@contextlib.contextmanager
def whole_outputs(output: Path, declared: Iterable[Path]) -> Iterator[Path]:
    """A folder for the body to write in, the content of which takes the place of the `declared` outputs at its end.

    So it does if the body ends with a StageError, for a gate leaves what it found to be looked at. Any other end
    leaves nothing, and the outputs of an earlier run as they were.
    """
    folder = output / UNFINISHED
    remove(folder)  # that of a run which was killed
    folder.mkdir(parents=True)
    try:
        yield folder
        put_in_place(folder, output, declared)
    except StageError:
        put_in_place(folder, output, declared)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)

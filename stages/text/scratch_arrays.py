"""Arrays in files: what a step of a large stage leaves to the next, refused if not what the next one expects."""

import json
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.errors import ExitCode, StageError

_ALIGNMENT = 64
_LENGTH_BYTES = 8
_CHUNK = 2**20


class Form(NamedTuple):
    """What a file of arrays holds; two files of one form can be used together."""

    what: str
    version: int
    """Raised whenever the same inputs and parameters give other arrays."""
    parameters: Mapping[str, int | float | str | bool]


def _padding(size: int) -> bytes:
    return bytes(-size % _ALIGNMENT)


def _stretches(arrays: Mapping[str, Sequence[np.ndarray]]) -> Iterable[memoryview | bytes]:
    """The bytes of a file behind its header."""
    for blocks in arrays.values():
        for block in blocks:
            yield np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
        yield _padding(sum(block.nbytes for block in blocks))


def write_arrays(path: Path, form: Form, arrays: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write arrays, each as the blocks that follow each other along its first axis, through a temporary name."""
    checksum = 0
    for stretch in _stretches(arrays):
        checksum = zlib.crc32(stretch, checksum)
    places = [
        [name, blocks[0].dtype.str, [sum(map(len, blocks)), *blocks[0].shape[1:]]] for name, blocks in arrays.items()
    ]
    header = json.dumps(form._asdict() | {"arrays": places, "checksum": checksum}, sort_keys=True).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        file.write(len(header).to_bytes(_LENGTH_BYTES, "little") + header)
        file.write(_padding(_LENGTH_BYTES + len(header)))
        file.writelines(_stretches(arrays))
    temporary.replace(path)


def _unusable(path: Path, why: str) -> StageError:
    return StageError(ExitCode.DATA, f"scratch file {why}", str(path), "Remove it and run the stage again.")


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a file and where its arrays begin; StageError if it has none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > path.stat().st_size:
            raise _unusable(path, "without a header")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise _unusable(path, "without a header") from error
    if not isinstance(header, dict):
        raise _unusable(path, "without a header")
    end = _LENGTH_BYTES + length
    return header, end + len(_padding(end))


@cache
def _checksum(path: Path, begin: int, state: tuple[int, int, int]) -> int:
    """That of a file behind its header, read once as long as the file is in the same state."""
    checksum = 0
    with path.open("rb") as file:
        file.seek(begin)
        while chunk := file.read(_CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def open_arrays(path: Path, form: Form) -> dict[str, np.ndarray]:
    """The arrays of a file, read-only and read from it when they are used.

    StageError if the file is of another form, cut short or changed.
    """
    header, begin = _header(path)
    expected = json.loads(json.dumps(form._asdict()))
    if {name: header.get(name) for name in expected} != expected:
        raise _unusable(path, "of other parameters or of another version")
    found = path.stat()
    if _checksum(path, begin, (found.st_ino, found.st_size, found.st_mtime_ns)) != header.get("checksum"):
        raise _unusable(path, "cut short or changed")
    arrays = {}
    for name, kind, shape in header["arrays"]:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        stretch = np.memmap(path, np.uint8, "r", begin, (size,)) if size else np.empty(0, dtype=np.uint8)
        arrays[name] = np.asarray(stretch).view(kind).reshape(shape)
        begin += size + len(_padding(size))
    return arrays


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first and gone at the end."""
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

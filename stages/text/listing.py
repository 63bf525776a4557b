"""The files that a folder, glob or file name stands for, in one order on every machine."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from stages.errors import ExitCode, StageError

REMEDY = "Check the path in collect.sources."


@dataclass(frozen=True)
class Listing:
    """What lies under a path."""

    root: Path
    """The folder that paths are relative to."""
    files: list[str]
    """Visible files, relative to `root` with forward slashes, ordered by folder names and then file name."""
    unreadable: list[tuple[str, str]]
    """Folders that cannot be listed, with the reason."""


def is_pattern(part: str) -> bool:
    """Whether a part of a path stands for many."""
    return bool(set(part) & set("*?["))


def listed(path: str) -> Listing:
    """The files of a folder (with all its subfolders), glob or file name; StageError if there is none."""
    given = Path(path)
    unreadable: list[tuple[str, str]] = []
    if given.is_dir():
        root, found = given, set(_walk(given, unreadable))
    else:
        root = Path(*takewhile(lambda part: not is_pattern(part), given.parts[:-1]))
        try:
            found = {file.relative_to(root).as_posix() for file in root.glob(given.relative_to(root).as_posix())}
        except ValueError as error:
            raise StageError(ExitCode.CONFIGURATION, "not a glob", f"{path}: {error}", REMEDY) from error
    files = [file for file in found if _is_visible(file) and _is_file(root / file)]
    if not files and not unreadable:
        raise StageError(ExitCode.DATA, "no files", path, REMEDY)
    return Listing(root, sorted(files, key=lambda file: file.split("/")), sorted(unreadable))


def _walk(root: Path, unreadable: list[tuple[str, str]]) -> Iterator[str]:
    def note(error: OSError) -> None:
        folder = Path(str(error.filename)).relative_to(root).as_posix()
        unreadable.append((folder, f"cannot be opened: {error.strerror}"))

    for folder, folders, names in os.walk(root, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(folder).relative_to(root).as_posix()
        yield from names if relative == "." else (f"{relative}/{name}" for name in names)


def _is_visible(file: str) -> bool:
    return not any(part.startswith(".") for part in file.split("/"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # reading it says why it cannot be read

"""The forms a source can take in `params.yaml`, and how each becomes documents."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Annotated

import fsspec
from fsspec.core import OpenFile
from pydantic import Discriminator, Tag

from stages.errors import ExitCode, StageError
from stages.parameters import Section
from stages.text.archives import NOT_COMPRESSED, files_in, read_bearable, unpacking
from stages.text.files import SUFFIXES, TABLE_SUFFIXES, file_content, read_file
from stages.text.licences import is_allowed, stated_licence
from stages.text.packages import PackagesSource, find_package, read_package
from stages.text.reading import Reading

TEXT_FIELD = "text"
"""Where a line of JSON, or a row of Parquet, holds its text, unless the source names a column."""

REMEDY = "Check the path in collect.sources."


class FilesSource(Section):
    """Text files of one's own."""

    name: str
    """What documents, ids and figures call the source."""
    path: str
    """A folder (read with all its subfolders), a glob or a file; hidden files are left out. Files in zip and tar
    archives, and those compressed as gz, bz2, xz or zst, are read like the others."""
    licence: str
    """Of every file, as its owner states it; one of `licences`."""


class DatasetSource(Section):
    """A data set as the Hugging Face library saves it to disk (`save_to_disk`)."""

    name: str
    """What documents, ids and figures call the source."""
    dataset: str
    """The folder; of several splits, all are read."""
    column: str
    """The column that holds the text."""
    licence: str
    """Of every file, as its owner states it; one of `licences`."""


class UrlSource(Section):
    """Files behind any URL that fsspec knows, such as s3://, gs://, https:// or hf://datasets/."""

    name: str
    """What documents, ids and figures call the source."""
    url: str
    """Globs are allowed where the store can list its files; .gz and .xz are unpacked."""
    licence: str
    """Of every file, as its owner states it; one of `licences`."""


def _form(value: object) -> str:
    """Which form of source a list entry is, by the key that only that form has."""
    keys = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", {})
    return next((key for key in ("packages", "path", "dataset", "url") if key in keys), "unknown")


Source = Annotated[
    Annotated[PackagesSource, Tag("packages")]
    | Annotated[FilesSource, Tag("path")]
    | Annotated[DatasetSource, Tag("dataset")]
    | Annotated[UrlSource, Tag("url")],
    Discriminator(_form),
]
"""One entry of `collect.sources`."""


@dataclass(frozen=True)
class Unit:
    """What one process reads at a time: one package, or one source of another form."""

    name: str
    source: PackagesSource | FilesSource | DatasetSource | UrlSource
    most_characters: int
    seed: int

    def read(self) -> Reading:
        """The documents of the unit and what was skipped in it."""
        if isinstance(self.source, PackagesSource):
            return read_package(self.name, self.source, self.most_characters, self.seed)
        if isinstance(self.source, FilesSource):
            return _read_files(self.source, self.most_characters)
        if isinstance(self.source, DatasetSource):
            return _read_dataset(self.source, self.most_characters)
        return _read_url(self.source, self.most_characters)


def units(sources: Iterable[Source], most_characters: int, seed: int) -> list[Unit]:
    """What is to be read, in the order of the sources; names must differ, for they say where a document is from."""
    found = []
    for source in sources:
        names = source.packages if isinstance(source, PackagesSource) else (source.name,)
        found += [Unit(name, source, most_characters, seed) for name in names]
    repeated = {unit.name for unit in found if sum(other.name == unit.name for other in found) > 1}
    if repeated:
        raise StageError(
            ExitCode.CONFIGURATION, "sources share a name", ", ".join(sorted(repeated)), "Edit collect.sources."
        )
    return found


def check_licences(found: Iterable[Unit], allowed: Collection[str]) -> None:
    """Refuse sources whose stated licence is not on the list; packages state theirs in their metadata."""
    for unit in found:
        if isinstance(unit.source, PackagesSource):
            licence = stated_licence(find_package(unit.name).metadata)
        else:
            licence = unit.source.licence
        if not is_allowed(licence, allowed):
            raise StageError(
                ExitCode.CONFIGURATION,
                "licence not allowed",
                f"{unit.name}: {licence or 'none stated'}",
                "Add it to collect.licences or remove the source.",
            )


def _read_files(source: FilesSource, most_characters: int) -> Reading:
    reading = Reading(source.name, None, source.licence)
    root, files = root_and_files(source.path)
    for file in files:
        for path, fetch in files_in(file, file.relative_to(root).as_posix(), reading):
            if PurePosixPath(path).suffix.lower() in SUFFIXES:
                read_file(path, fetch, TEXT_FIELD, reading, most_characters)
            else:
                reading.files_ignored += 1
    return reading


def _read_dataset(source: DatasetSource, most_characters: int) -> Reading:
    reading = Reading(source.name, None, source.licence)
    root, files = root_and_files(source.dataset)
    for file in files:
        # The library keeps results of its own computations beside the data under this name.
        if file.suffix.lower() in TABLE_SUFFIXES and not file.name.startswith("cache-"):
            path = file.relative_to(root).as_posix()
            read_file(path, partial(file_content, file), source.column, reading, most_characters)
        else:
            reading.files_ignored += 1
    return reading


def _content(file: OpenFile) -> bytes:
    """The content behind a URL; what cannot be unpacked is unreadable, a broken connection is raised."""
    with unpacking(NOT_COMPRESSED), file as stream:
        return read_bearable(stream)


def _read_url(source: UrlSource, most_characters: int) -> Reading:
    reading = Reading(source.name, None, source.licence)
    try:
        opened = fsspec.open_files(source.url, "rb", compression="infer")
        for file in sorted(opened, key=lambda file: file.path):
            path = PurePosixPath(file.path).name.removesuffix(".gz").removesuffix(".xz")
            read_file(path, partial(_content, file), TEXT_FIELD, reading, most_characters)
    except (OSError, ValueError, ImportError) as error:
        raise StageError(
            ExitCode.DATA, "cannot read URL", f"{source.url}: {error}", "Check the address and the network."
        ) from error
    return reading


def root_and_files(path: str) -> tuple[Path, list[Path]]:
    """The folder that paths are relative to, and the files of a folder, glob or file name, in name order."""
    given = Path(path)
    if given.is_dir():
        root, found = given, list(given.rglob("*"))
    else:
        fixed = list(takewhile(lambda part: not set(part) & set("*?["), given.parts[:-1]))
        root = Path(*fixed)
        try:
            found = list(root.glob(given.relative_to(root).as_posix()))
        except ValueError as error:
            raise StageError(ExitCode.CONFIGURATION, "not a glob", f"{path}: {error}", REMEDY) from error
    files = [
        file
        for file in found
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    if not files:
        raise StageError(ExitCode.DATA, "no files", path, REMEDY)
    return root, sorted(files)

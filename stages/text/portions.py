"""What one process reads at a time: a package, or a run of the files of another source."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.text.archives import files_in, plain_name
from stages.text.contents import Content
from stages.text.files import SUFFIXES, read_file
from stages.text.licences import stated_licence
from stages.text.listing import listed
from stages.text.packages import PackagesSource, find_package, read_package
from stages.text.reading import RawDocument, Reading, UnreadableError
from stages.text.remote import addresses, fetch
from stages.text.rows import TABLE_SUFFIXES
from stages.text.sources import DatasetSource, FilesSource, Unit, UrlSource

TEXT_FIELD = "text"
"""Where a line of JSON, or a row of Parquet, holds its text, unless the source names a column."""

PORTION_BYTES = 2**24
"""Of the files of one portion, unless it is a single one: many portions let processes end at the same time."""

PORTION_FILES = 1_000

UNPACKED_TWICE = "another file of the source has its name once it is unpacked"


@dataclass(frozen=True)
class Portion:
    """A package, or a run of the files of a source."""

    unit: Unit
    root: Path = Path()
    files: tuple[tuple[str, str], ...] = ()
    """Place in the source, and file under `root` or address; none for a package."""
    skipped: tuple[tuple[str, str], ...] = ()
    """What is known not to be readable before anything is read, with the reason."""

    def read(self, scratch: Path) -> tuple[Reading, Iterator[RawDocument]]:
        """The documents, read as they are asked for, and the account of them, which is whole when they are at an end.

        Files behind URLs lie in the folder `scratch` while they are read.
        """
        source = self.unit.source
        if isinstance(source, PackagesSource):
            package = find_package(self.unit.name)
            reading = Reading(self.unit.name, package.version, stated_licence(package.metadata))
            return reading, read_package(package, source, self.unit.most_characters, self.unit.seed, reading)
        reading = Reading(source.name, None, source.licence)
        for place, reason in self.skipped:
            reading.skip(place, reason)
        return reading, self._documents(source, reading, scratch)

    def _documents(
        self, source: FilesSource | DatasetSource | UrlSource, reading: Reading, scratch: Path
    ) -> Iterator[RawDocument]:
        column = source.column if isinstance(source, DatasetSource) else TEXT_FIELD
        for place, content in self._contents(source, reading, scratch):
            if _is_read(source, place, is_whole_file=isinstance(content, Path)):
                yield from read_file(place, content, column, reading, self.unit.most_characters, self.unit.page_seconds)
            else:
                reading.files_ignored += 1

    def _contents(
        self, source: FilesSource | DatasetSource | UrlSource, reading: Reading, scratch: Path
    ) -> Iterator[tuple[str, Content]]:
        for place, file in self.files:
            if isinstance(source, DatasetSource):
                yield place, self.root / file
            elif isinstance(source, FilesSource):
                yield from files_in(self.root / file, place, reading)
            else:
                fetched = scratch / f"fetched{''.join(PurePosixPath(file).suffixes[-2:])}"
                try:
                    fetch(source.url, file, fetched)
                    yield from files_in(fetched, place, reading)
                except UnreadableError as error:
                    reading.skip(place, str(error))
                finally:
                    fetched.unlink(missing_ok=True)


def _is_read(source: FilesSource | DatasetSource | UrlSource, place: str, *, is_whole_file: bool) -> bool:
    suffix = PurePosixPath(place).suffix.lower()
    if isinstance(source, DatasetSource):
        # The library keeps results of its own computations beside the data under this name.
        return suffix in TABLE_SUFFIXES and not PurePosixPath(place).name.startswith("cache-")
    # An address need not end in a suffix.
    return suffix in SUFFIXES or (isinstance(source, UrlSource) and is_whole_file)


def portions(unit: Unit) -> list[Portion]:
    """What there is to read of a unit, in order; StageError if there is nothing."""
    source = unit.source
    if isinstance(source, PackagesSource):
        return [Portion(unit)]
    if isinstance(source, UrlSource):
        found = addresses(source.url)
        return _divided(unit, Path(), [(plain_name(place), address) for place, address in found], [], [0] * len(found))
    listing = listed(source.dataset if isinstance(source, DatasetSource) else source.path)
    is_dataset = isinstance(source, DatasetSource)
    files = [(file if is_dataset else plain_name(file), file) for file in listing.files]
    sizes = [_size(listing.root / file) for file in listing.files]
    return _divided(unit, listing.root, files, listing.unreadable, sizes)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 -- of a million files, twice as fast
    except OSError:
        return 0


def _divided(
    unit: Unit, root: Path, files: list[tuple[str, str]], unreadable: list[tuple[str, str]], sizes: list[int]
) -> list[Portion]:
    """Portions of consecutive files; a place comes once, so that no two documents have one id."""
    seen: set[str] = set()
    found: list[Portion] = []
    run: list[tuple[str, str]] = []
    skipped, room = list(unreadable), PORTION_BYTES
    for (place, file), size in zip(files, sizes, strict=True):
        if place in seen:
            skipped.append((file, UNPACKED_TWICE))
            continue
        seen.add(place)
        if run and (len(run) == PORTION_FILES or size > room):
            found.append(Portion(unit, root, tuple(run), tuple(skipped)))
            run, skipped, room = [], [], PORTION_BYTES
        run.append((place, file))
        room -= size
    return [*found, Portion(unit, root, tuple(run), tuple(skipped))]

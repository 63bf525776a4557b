"""The forms that a source can take in `params.yaml`."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Discriminator, Tag

from stages.errors import ExitCode, StageError
from stages.parameters import Section
from stages.text.licences import is_allowed, stated_licence
from stages.text.packages import PackagesSource, find_package


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
    """Globs are allowed where the store can list its files; archives and compressed files are read as those of a folder
    are. A file whose transfer breaks off again and again is left out and listed."""
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
    """A package, or a source of another form: what the manifest has an entry for."""

    name: str
    source: PackagesSource | FilesSource | DatasetSource | UrlSource
    most_characters: int
    """Of a document that can be cut."""
    page_seconds: float
    seed: int


def units(sources: Iterable[Source], most_characters: int, page_seconds: float, seed: int) -> list[Unit]:
    """What is to be read, in the order of the sources; names must differ, for they say where a document is from."""
    found = []
    for source in sources:
        names = source.packages if isinstance(source, PackagesSource) else (source.name,)
        found += [Unit(name, source, most_characters, page_seconds, seed) for name in names]
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

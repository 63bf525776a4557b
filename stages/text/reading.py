"""What reading a source yields: documents, and an account of the files, with the reason for each that gave none."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stages.text.documents import document_id


class UnreadableError(Exception):
    """A file, line or row that gives no document; the message is the reason that the manifest states."""


@dataclass(frozen=True)
class RawDocument:
    """A document as a source holds it, before anything is known about its language or worth."""

    source: str
    path: str
    name: str | None
    kind: str
    licence: str
    version: str | None
    text: str
    date: str | None = None
    """ISO date that the document states."""

    @property
    def id(self) -> str:
        """Hash of origin and content."""
        return document_id(self.source, self.path, self.name, self.text)


@dataclass(frozen=True)
class Skipped:
    """A file that gave no document because it could not be read."""

    source: str
    path: str
    reason: str


@dataclass
class Reading:
    """What became of the files of a source, or of a portion of it."""

    source: str
    version: str | None
    licence: str
    skipped: list[Skipped] = field(default_factory=list)
    files_read: int = 0
    files_ignored: int = 0
    """Files of a format that is not read."""
    files_recoded: int = 0
    """Files among those read whose text was in another encoding than they should have or say, or was damaged UTF-8."""

    def skip(self, path: str, reason: str) -> None:
        """Note a file that could not be read."""
        self.skipped.append(Skipped(self.source, path, reason))


def together(readings: Iterable[Reading]) -> list[Reading]:
    """One account for each source, in the order of its first portion."""
    sources: dict[str, Reading] = {}
    for one in readings:
        whole = sources.setdefault(one.source, Reading(one.source, one.version, one.licence))
        whole.skipped += one.skipped
        whole.files_read += one.files_read
        whole.files_ignored += one.files_ignored
        whole.files_recoded += one.files_recoded
    return list(sources.values())

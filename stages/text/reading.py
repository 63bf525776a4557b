"""What reading a source yields: its documents, and the files it had to leave aside with the reason for each."""

from dataclasses import dataclass, field

from stages.text.documents import document_id


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
    """All that one source gave."""

    source: str
    version: str | None
    licence: str
    documents: list[RawDocument] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    files_read: int = 0
    files_ignored: int = 0
    """Files of a format that is not read."""

    def skip(self, path: str, reason: str) -> None:
        """Note a file that could not be read."""
        self.skipped.append(Skipped(self.source, path, reason))

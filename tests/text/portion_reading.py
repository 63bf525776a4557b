"""All that a source gives, read in this process."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from stages.text.portions import portions
from stages.text.reading import RawDocument, Reading, together
from stages.text.sources import Unit


@dataclass
class Read(Reading):
    """The account of a source with its documents."""

    documents: list[RawDocument] = field(default_factory=list)


def read_all(unit: Unit) -> Read:
    """Every portion of a source, one after the other."""
    documents, readings = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for portion in portions(unit):
            reading, found = portion.read(Path(scratch))
            documents += found
            readings.append(reading)
    (account,) = together(readings)
    return Read(**vars(account), documents=documents)

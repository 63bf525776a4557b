"""Documents on their way from the process that reads them to the one that joins them, with what its gate asks about."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from stages.seeding import key_hash
from stages.text.documents import DOCUMENT_SCHEMA
from stages.text.reading import RawDocument

REPLACEMENT = "\ufffd"
"""What a decoder puts where bytes were no text."""

MEASURES = ("id", "source", "licence", "kind", "date", "characters", "content", "replacement_fraction")
"""What the gate asks about every document: columns of the table that stands for the texts."""

BATCH_SCHEMA = pa.schema(
    [
        *DOCUMENT_SCHEMA,
        pa.field("characters", pa.int64()),
        pa.field("content", pa.uint64(), metadata={"doc": "hash of the text"}),
        pa.field("replacement_fraction", pa.float64()),
    ]
)

BATCH_CHARACTERS = 2**22
"""Of the documents that a process holds at a time, unless it is a single one."""


def batch_of(documents: Iterable[RawDocument]) -> pa.RecordBatch:
    """Documents with their measures, columns of `BATCH_SCHEMA`; what is not known yet is null."""
    rows = [
        {
            **vars(document),
            "id": document.id,
            "characters": len(document.text),
            "content": key_hash(document.text),
            "replacement_fraction": document.text.count(REPLACEMENT) / max(len(document.text), 1),
        }
        for document in documents
    ]
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in BATCH_SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=BATCH_SCHEMA)


def write_batches(path: Path, documents: Iterable[RawDocument]) -> None:
    """Write documents as they come, a few megabytes at a time."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    waiting: list[RawDocument] = []
    characters = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, BATCH_SCHEMA, options=options) as stream:
        for document in documents:
            if waiting and characters + len(document.text) > BATCH_CHARACTERS:
                stream.write_batch(batch_of(waiting))
                waiting, characters = [], 0
            waiting.append(document)
            characters += len(document.text)
        if waiting:
            stream.write_batch(batch_of(waiting))


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """What `write_batches` has written, a batch at a time."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        yield from stream

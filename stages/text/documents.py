"""The Document record and its Parquet form: what the text stages pass to each other."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.errors import ExitCode, StageError
from stages.seeding import key_hash

SCHEMA_VERSION = 1

DOCUMENT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), metadata={"doc": "hash of source, path, name and content (16 hex digits)"}),
        pa.field("text", pa.string()),
        pa.field("source", pa.string(), metadata={"doc": "name of the source in params.yaml, or the package"}),
        pa.field("path", pa.string(), metadata={"doc": "file, relative to the source's root"}),
        pa.field("name", pa.string(), metadata={"doc": "dotted name of the documented object; null if none"}),
        pa.field("kind", pa.string(), metadata={"doc": "prose, code, reference or web"}),
        pa.field("licence", pa.string(), metadata={"doc": "as the source states it"}),
        pa.field("date", pa.string(), metadata={"doc": "ISO date; null unless the document states one"}),
        pa.field("version", pa.string(), metadata={"doc": "version that introduced the object; null if not stated"}),
        pa.field("language", pa.string(), metadata={"doc": "ISO 639-1; null before clean"}),
        pa.field("language_score", pa.float64(), metadata={"doc": "0 to 1; null before clean"}),
        pa.field(
            "split", pa.string(), metadata={"doc": "train, validation, test or after_cutoff; null before compose"}
        ),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)
GROUP_ROWS = 2**20
"""Rows of a group, which is pyarrow's own default."""

KINDS = ("prose", "code", "reference", "web")
SPLITS = ("train", "validation", "test", "after_cutoff")


def document_id(source: str, path: str, name: str | None, text: str) -> str:
    """The id of a document: 16 hex digits over its origin and content."""
    return f"{key_hash(source, path, name, text):016x}"


def table_of(records: Iterable[object], names: Sequence[str]) -> pd.DataFrame:
    """A table of these attributes of each record, without the deep copies that `dataclasses.asdict` makes."""
    attributes = operator.attrgetter(*names)
    return pd.DataFrame(map(attributes, records), columns=list(names))


def _groups(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table.select(schema.names).cast(schema)])
        while len(waiting) > GROUP_ROWS:
            yield waiting[:GROUP_ROWS].combine_chunks()
            waiting = waiting[GROUP_ROWS:]
    yield waiting.combine_chunks()


def write_row_groups(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables of the schema's columns as zstd Parquet, through a temporary name.

    The bytes depend on all rows together, not on how they are cut into tables.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in _groups(tables, schema):
            writer.write_table(table, row_group_size=GROUP_ROWS)
    temporary.replace(path)


def write_table(path: Path, table: pd.DataFrame, schema: pa.Schema) -> None:
    """Write a table as zstd Parquet in the schema's columns and order, through a temporary name."""
    arrow = pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False)
    write_row_groups(path, [arrow], schema)


def part(folder: Path, number: int) -> Path:
    """The file of the part of that number, from 0."""
    return folder / f"part-{number:05}.parquet"


def parts(folder: Path) -> list[Path]:
    """The files that hold the documents under `folder`, in the order of the documents; StageError if there are none."""
    found = sorted(folder.glob("*.parquet"))
    if not found:
        raise StageError(ExitCode.DATA, "no documents", str(folder), "Run the stage that writes them again.")
    return found


def write_parts(folder: Path, batches: Iterable[pa.RecordBatch], most_bytes: int) -> None:
    """Write documents that come in batches as parts of at most `most_bytes` of text in UTF-8; only one is in memory.

    No document is split: one that is longer is a part of its own. Where the parts begin, and their bytes, depend on
    the documents alone, not on how they are divided into batches. No documents make one empty part.
    """
    for number, one in enumerate(_runs(batches, most_bytes)):
        write_row_groups(part(folder, number), [pa.Table.from_batches(one, DOCUMENT_SCHEMA)], DOCUMENT_SCHEMA)


def _runs(batches: Iterable[pa.RecordBatch], most_bytes: int) -> Iterator[list[pa.RecordBatch]]:
    """Slices of batches that together make one part."""
    run: list[pa.RecordBatch] = []
    room = most_bytes
    for batch in batches:
        ends = np.cumsum(pc.binary_length(batch.column("text")).to_numpy(), dtype=np.int64)
        start, before = 0, 0
        while start < len(ends):
            stop = int(np.searchsorted(ends, before + room, side="right"))
            if stop == start and not run:
                stop += 1
            if stop > start:
                run.append(batch.slice(start, stop - start))
                room -= int(ends[stop - 1]) - before
                start, before = stop, int(ends[stop - 1])
            if start < len(ends):
                yield run
                run, room = [], most_bytes
    yield run


def read_documents(folder: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Every document under `folder`, parts in name order."""
    tables = [pq.read_table(path, columns=columns).to_pandas() for path in parts(folder)]
    return pd.concat(tables, ignore_index=True)

"""The Document record and its Parquet form: what the text stages pass to each other."""

import operator
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

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
KINDS = ("prose", "code", "reference", "web")
SPLITS = ("train", "validation", "test", "after_cutoff")


def document_id(source: str, path: str, name: str | None, text: str) -> str:
    """The id of a document: 16 hex digits over its origin and content."""
    return f"{key_hash(source, path, name, text):016x}"


def table_of(records: Iterable[object], names: Sequence[str]) -> pd.DataFrame:
    """A table of these attributes of each record, without the deep copies that `dataclasses.asdict` makes."""
    attributes = operator.attrgetter(*names)
    return pd.DataFrame(map(attributes, records), columns=list(names))


def write_table(path: Path, table: pd.DataFrame, schema: pa.Schema) -> None:
    """Write a table as zstd Parquet in the schema's columns and order, through a temporary name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    arrow = pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata(schema.metadata), temporary, compression="zstd")
    temporary.replace(path)


def write_documents(folder: Path, documents: pd.DataFrame) -> None:
    """Write documents, in the order given, under `folder`; columns not yet known are written as null."""
    write_table(folder / "part-00000.parquet", documents.reindex(columns=DOCUMENT_SCHEMA.names), DOCUMENT_SCHEMA)


def read_documents(folder: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Every document under `folder`, parts in name order."""
    parts = sorted(folder.glob("*.parquet"))
    return pd.concat([pq.read_table(part, columns=columns).to_pandas() for part in parts], ignore_index=True)

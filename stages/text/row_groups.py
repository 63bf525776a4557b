"""Parquet files written one table after another, with no more than a row group of them in memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 2**20
"""Rows of a group, which is pyarrow's own default."""


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

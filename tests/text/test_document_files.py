from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.text import documents
from stages.text.documents import write_row_groups, write_table

SCHEMA = pa.schema([pa.field("id", pa.string()), pa.field("value", pa.float64())], metadata={"schema_version": "1"})
TABLE = pa.table({"value": [1.0, None, 3.0, 4.0, 5.0], "id": ["a", "b", "c", None, "e"]})


@pytest.mark.parametrize("cuts", [[], [2], [0, 1, 4], [1, 2, 3, 4]])
def test_bytes_do_not_depend_on_the_tables(tmp_path: Path, cuts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = [0, *cuts, 5]
    tables = [TABLE[begin:end] for begin, end in pairwise(bounds)]
    write_row_groups(tmp_path / "parts", tables, SCHEMA)
    write_table(tmp_path / "frame", TABLE.to_pandas(), SCHEMA)
    pq.write_table(TABLE.select(SCHEMA.names).cast(SCHEMA), tmp_path / "whole", compression="zstd")
    written = [(tmp_path / name).read_bytes() for name in ("parts", "frame", "whole")]
    assert written[0] == written[1] == written[2]
    monkeypatch.setattr(documents, "GROUP_ROWS", 2)
    write_row_groups(tmp_path / "groups", tables, SCHEMA)
    assert pq.ParquetFile(tmp_path / "groups").num_row_groups == 3
    assert pq.read_table(tmp_path / "groups").equals(TABLE.select(SCHEMA.names).cast(SCHEMA))


def test_no_rows(tmp_path: Path) -> None:
    write_row_groups(tmp_path / "none", [], SCHEMA)
    assert pq.read_table(tmp_path / "none").schema.equals(SCHEMA, check_metadata=True)

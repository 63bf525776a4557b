from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.text.ledger import LEDGER_SCHEMA, Entry, tally, write_ledger
from stages.text.ledger_parts import ledger_file, tally_rows

ENTRIES = [
    Entry("a", "s", "prose", 10, 8, masked=1),
    Entry("b", "s", "code", 20, 0, "min_words", 3.0, 5.0),
    Entry("c", "t", "code", 30, 0, "min_words", 4.0, 5.0),
    Entry("d", "t", "web", 7, 0, "language", 0.9, 0.8),
]


def rows(entries: list[Entry]) -> pa.Table:
    columns = {name: [getattr(entry, name) for entry in entries] for name in LEDGER_SCHEMA.names}
    return pa.table(columns, LEDGER_SCHEMA)


def test_one_part_makes_the_same_file_as_entries_do(tmp_path: Path) -> None:
    write_ledger(tmp_path / "entries.parquet", ENTRIES)
    with ledger_file(tmp_path / "new" / "rows.parquet") as add:
        add(rows(ENTRIES))
    assert (tmp_path / "new" / "rows.parquet").read_bytes() == (tmp_path / "entries.parquet").read_bytes()


def test_parts_follow_each_other(tmp_path: Path) -> None:
    with ledger_file(tmp_path / "rows.parquet") as add:
        add(rows(ENTRIES[:1]))
        add(rows(ENTRIES[1:]))
    assert pq.read_table(tmp_path / "rows.parquet").equals(rows(ENTRIES))


def test_nothing_is_left_of_a_ledger_that_was_not_finished(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="schema"), ledger_file(tmp_path / "rows.parquet") as add:
        add(pa.table({"other": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_parts_are_tallied_as_entries_are() -> None:
    added = tally_rows(rows(ENTRIES[:2]))
    added.update(tally_rows(rows(ENTRIES[2:])))
    assert added == tally(ENTRIES)
    assert tally_rows(rows([])) == tally([])

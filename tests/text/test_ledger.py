import pyarrow.parquet as pq

from stages.text.ledger import LEDGER_SCHEMA, Entry
from tests.tables import write_ledger

ENTRIES = [
    Entry("a", "s", "prose", 10, 8, masked=2),
    Entry("b", "s", "prose", 5, 0, "min_words", 1.0, 50.0),
    Entry("c", "s", "code", 7, 0, "near_duplicate", 0.9, 0.7, "a"),
]


def test_an_entry_without_a_rule_is_kept():
    assert [entry.kept for entry in ENTRIES] == [True, False, False]


def test_a_ledger_keeps_its_rows_in_order_with_nulls_where_nothing_was_measured(tmp_path):
    write_ledger(tmp_path / "ledger.parquet", ENTRIES)
    table = pq.read_table(tmp_path / "ledger.parquet")
    assert table.schema.equals(LEDGER_SCHEMA, check_metadata=False)
    assert table["kept"].to_pylist() == [True, False, False]
    assert table["rule"].to_pylist() == [None, "min_words", "near_duplicate"]
    assert table["value"].to_pylist() == [None, 1.0, 0.9]
    assert table["kept_id"].to_pylist() == [None, None, "a"]


def test_an_empty_ledger_can_be_written(tmp_path):
    write_ledger(tmp_path / "ledger.parquet", [])
    assert pq.read_table(tmp_path / "ledger.parquet").num_rows == 0

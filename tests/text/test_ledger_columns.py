import numpy as np
import pyarrow as pa
import pytest

from stages.errors import StageError
from stages.text.ledger import LEDGER_SCHEMA, Entry
from stages.text.ledger_columns import entry_table, ledger_columns, require_kept_rows, tally_ledger

ENTRIES = [
    Entry("a", "s", "prose", 10, 8),
    Entry("b", "s", "prose", 5, 0, "min_words", 1.0, 50.0),
    Entry("c", "s", "code", 7, 0, "near_duplicate", 0.9, 0.7, "a"),
]
DOCUMENTS = pa.table({"id": ["a", "b", "c"], "source": ["s"] * 3, "kind": ["prose", "prose", "code"]})
REASONS = {
    "rule": pa.array([None, "min_words", "near_duplicate"]),
    "value": pa.array([None, 1.0, 0.9]),
    "threshold": pa.array([None, 50.0, 0.7]),
    "kept_id": pa.array([None, None, "a"]),
}


def test_columns_are_those_of_single_entries() -> None:
    table = ledger_columns(DOCUMENTS, np.array([10, 5, 7]), np.array([8, 5, 7]), REASONS)
    assert table.cast(LEDGER_SCHEMA).equals(entry_table(ENTRIES))
    without_keeper = {name: column for name, column in REASONS.items() if name != "kept_id"}
    table = ledger_columns(DOCUMENTS, np.array([10, 5, 7]), np.array([8, 5, 7]), without_keeper)
    assert table["kept_id"].to_pylist() == [None] * 3


def test_a_tally_adds_up() -> None:
    assert tally_ledger(entry_table(ENTRIES), "texts") == {
        "texts_in": 3,
        "texts_kept": 1,
        "texts_dropped": 2,
        "texts_dropped_min_words": 1,
        "texts_dropped_near_duplicate": 1,
        "texts_characters_in": 22,
        "texts_characters_kept": 8,
    }
    assert set(tally_ledger(entry_table([])).values()) == {0}


def test_a_ledger_that_keeps_nothing_is_an_error() -> None:
    require_kept_rows("clean", entry_table(ENTRIES))
    with pytest.raises(StageError, match="clean: 1 by min_words, 1 by near_duplicate"):
        require_kept_rows("clean", entry_table(ENTRIES[1:]))
    with pytest.raises(StageError, match="none came in"):
        require_kept_rows("clean", entry_table([]))

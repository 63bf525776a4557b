"""The ledger of many documents as columns, a part of the corpus at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.parameters import Metrics
from stages.text.documents import table_of
from stages.text.ledger import LEDGER_SCHEMA, Entry, require_any

IDENTITY = ["id", "source", "kind"]
"""Columns of documents that their ledger repeats."""


def ledger_columns(
    documents: pa.Table, characters_in: np.ndarray, characters_left: np.ndarray, reasons: Mapping[str, pa.Array]
) -> pa.Table:
    """Rows of a ledger, columns of `LEDGER_SCHEMA`.

    `reasons` has a column `rule`, which is null for a kept document, and may have other columns of the ledger.
    `characters_left` counts for kept documents alone.
    """
    kept = np.asarray(reasons["rule"].is_null())
    columns = {name: documents[name] for name in IDENTITY} | {
        "characters_in": pa.array(characters_in),
        "characters_out": pa.array(np.where(kept, characters_left, 0)),
        "kept": pa.array(kept),
        "masked": pa.array(np.zeros(len(kept), dtype=np.int64)),
        **reasons,
    }
    for field in LEDGER_SCHEMA:
        columns.setdefault(field.name, pa.nulls(len(kept), field.type))
    return pa.table({name: columns[name] for name in LEDGER_SCHEMA.names})


def counted_rules(ledger: pa.Table) -> Counter[str]:
    """How many documents each rule dropped."""
    counts = pc.value_counts(ledger["rule"].drop_null())
    return Counter(dict(zip(*(counts.field(place).to_pylist() for place in range(2)), strict=True)))


def tally_ledger(ledger: pa.Table, what: str = "documents") -> Metrics:
    """A ledger in numbers: how much came in, was kept, and was dropped by each rule."""
    rules = counted_rules(ledger)
    return {
        f"{what}_in": len(ledger),
        f"{what}_kept": len(ledger) - rules.total(),
        f"{what}_dropped": rules.total(),
        **{f"{what}_dropped_{rule}": count for rule, count in sorted(rules.items())},
        f"{what}_characters_in": int(np.sum(ledger["characters_in"].to_numpy())),
        f"{what}_characters_kept": int(np.sum(ledger["characters_out"].to_numpy())),
    }


def entry_table(entries: Sequence[Entry]) -> pa.Table:
    """Single rows of a ledger as columns."""
    names = LEDGER_SCHEMA.names
    return pa.Table.from_pandas(table_of(entries, names), LEDGER_SCHEMA, preserve_index=False)


def require_kept_rows(stage: str, ledger: pa.Table) -> None:
    """StageError if a stage's ledger keeps nothing."""
    require_any(stage, ledger["rule"].null_count, counted_rules(ledger))


def read_ledger(path: Path) -> pa.Table:
    """What of a ledger is counted."""
    return pq.read_table(path, columns=["characters_in", "characters_out", "rule", "masked"])

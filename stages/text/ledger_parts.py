"""A ledger as columns, written part by part, for stages that see more documents than fit into memory as objects."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.text.ledger import LEDGER_SCHEMA


@contextlib.contextmanager
def ledger_file(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """What adds rows in the columns of `LEDGER_SCHEMA` to a ledger, which is there once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    try:
        with pq.ParquetWriter(temporary, LEDGER_SCHEMA, compression="zstd") as writer:
            yield writer.write_table
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def tally_rows(rows: pa.Table, what: str = "documents") -> Counter[str]:
    """What `ledger.tally` says of the entries, so that those of parts can be added up."""
    dropped = rows.filter(pc.invert(rows["kept"]))
    by_rule = Counter(dropped["rule"].to_pylist())
    return Counter(
        {
            f"{what}_in": rows.num_rows,
            f"{what}_kept": rows.num_rows - dropped.num_rows,
            f"{what}_dropped": dropped.num_rows,
            **{f"{what}_dropped_{rule}": count for rule, count in by_rule.items()},
            f"{what}_characters_in": pc.sum(rows["characters_in"], min_count=0).as_py(),
            f"{what}_characters_kept": pc.sum(rows["characters_out"], min_count=0).as_py(),
        }
    )

"""Documents and ledgers on disk, in the form in which the stages pass them on."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stages.text.documents import DOCUMENT_SCHEMA, part, write_row_groups, write_table
from stages.text.ledger import LEDGER_SCHEMA, Entry
from stages.text.ledger_columns import entry_table


def write_documents(folder: Path, documents: pd.DataFrame, number: int = 0) -> None:
    """Write documents, in the order given, as a part under `folder`, its one part; columns not yet known are null."""
    write_table(part(folder, number), documents.reindex(columns=DOCUMENT_SCHEMA.names), DOCUMENT_SCHEMA)


def write_ledger(path: Path, entries: Sequence[Entry]) -> None:
    """Write a ledger, rows in the order given."""
    write_row_groups(path, [entry_table(entries)], LEDGER_SCHEMA)

"""Mend, tag and filter documents, and mask the personal data in them; the ledger says what happened to each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import DOCUMENT_SCHEMA, read_documents, write_documents
from stages.text.filters import Failure, Rules, broken_rules, judged_text
from stages.text.language import detect
from stages.text.ledger import Entry, require_kept, tally, write_ledger
from stages.text.measures import measure
from stages.text.personal_data import mask_all
from stages.text.repair import repair

Row = dict[str, Any]
"""A document as a mapping, keys of `DOCUMENT_SCHEMA`."""


class Params(Section):
    """Which documents are worth training on."""

    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes that are kept."""
    min_language_score: float = Field(ge=0, le=1)
    """Score, 0 to 1, from which on a document counts as written in another language; below, it is undecided."""
    rules: Rules
    """What to drop, by kind of document."""


def tagged(document: Row) -> Row:
    """The mended document and its language; the id stays that of the raw one, so that all ledgers join on it."""
    text = repair(document["text"])
    language, score = detect(text)
    return document | {"text": text, "language": language, "language_score": score}


def first_failures(documents: Sequence[Row], params: Params) -> list[Failure | None]:
    """The first rule that each tagged document breaks: its language, then those of its kind."""
    table = pd.DataFrame(documents, columns=["kind", "name", "text"])
    measured = measure([judged_text(kind, text) for kind, text in zip(table["kind"], table["text"], strict=True)])
    found: list[Failure | None] = [None] * len(documents)
    for kind, rows in table.groupby("kind").indices.items():
        broken = broken_rules(str(kind), table["name"].iloc[rows].tolist(), measured.iloc[rows], params.rules)
        for row, failure in zip(rows, broken, strict=True):
            found[row] = failure
    for row, document in enumerate(documents):
        score = document["language_score"]
        if document["language"] not in params.languages and score >= params.min_language_score:
            found[row] = Failure("language", score, params.min_language_score)
    return found


def entry(raw: Row, failure: Failure | None, text: str, masked: int) -> Entry:
    """A document's row of the ledger: kept with its masked text unless it breaks a rule."""
    identity = raw["id"], raw["source"], raw["kind"], len(raw["text"])
    return Entry(*identity, 0, *failure) if failure else Entry(*identity, len(text), masked=masked)


def run(params: Params, documents: Path, output: Path) -> Metrics:
    """Clean every document under `documents`; order and ids stay."""
    raw = read_documents(documents).to_dict("records")
    mended = [tagged(document) for document in raw]
    masked = mask_all([document["text"] for document in mended])
    failures = first_failures(mended, params)
    entries = [entry(one, failure, *text) for one, failure, text in zip(raw, failures, masked, strict=True)]
    kept = [
        document | {"text": text}
        for document, (text, _), entry in zip(mended, masked, entries, strict=True)
        if entry.kept
    ]
    write_documents(output / "documents", pd.DataFrame(kept, columns=DOCUMENT_SCHEMA.names))
    write_ledger(output / "ledger.parquet", entries)
    require_kept("clean", entries)
    return tally(entries) | {"masked": sum(entry.masked for entry in entries)}


if __name__ == "__main__":
    command("clean", run)

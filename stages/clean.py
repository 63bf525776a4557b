"""Mend, tag and filter documents, and mask the personal data in them; the ledger says what happened to each."""

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import DOCUMENT_SCHEMA, read_documents, write_documents
from stages.text.filters import Check, Rules, first_failure
from stages.text.language import detect
from stages.text.ledger import Entry, require_kept, tally, write_ledger
from stages.text.personal_data import mask
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


def failed_check(document: Row, params: Params) -> Check | None:
    """The first rule that a tagged document breaks: its language, then those of its kind."""
    score = document["language_score"]
    if document["language"] not in params.languages and score >= params.min_language_score:
        return Check("language", score, params.min_language_score, passed=False)
    return first_failure(document["kind"], document["name"], document["text"], params.rules)


def cleaned(document: Row, params: Params) -> tuple[Row, Entry]:
    """The mended and tagged document, and its row of the ledger, which says whether to keep it.

    The id stays that of the raw document, so that the ledgers of all stages join on it.
    """
    text = repair(document["text"])
    language, score = detect(text)
    mended = document | {"text": text, "language": language, "language_score": score}
    failure = failed_check(mended, params)
    identity = document["id"], document["source"], document["kind"], len(document["text"])
    if failure:
        return mended, Entry(*identity, 0, failure.rule, failure.value, failure.threshold)
    masked_text, masked = mask(text)
    return mended | {"text": masked_text}, Entry(*identity, len(masked_text), masked=masked)


def run(params: Params, documents: Path, output: Path) -> Metrics:
    """Clean every document under `documents`; order and ids stay."""
    raw = read_documents(documents).to_dict("records")
    results = [cleaned(document, params) for document in raw]
    entries = [entry for _, entry in results]
    kept = [document for document, entry in results if entry.kept]
    write_documents(output / "documents", pd.DataFrame(kept, columns=DOCUMENT_SCHEMA.names))
    write_ledger(output / "ledger.parquet", entries)
    require_kept("clean", entries)
    return tally(entries) | {"masked": sum(entry.masked for entry in entries)}


if __name__ == "__main__":
    command("clean", run)

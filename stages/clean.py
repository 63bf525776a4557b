"""Mend, tag and filter documents, and mask the personal data in them; the ledger says what happened to each."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import read_documents, write_documents
from stages.text.filters import Failure, Rules, broken_rules, judged_text
from stages.text.language import detect
from stages.text.ledger import Entry, require_kept, tally, write_ledger
from stages.text.measures import measure
from stages.text.personal_data import mask_all
from stages.text.repair import repair


class Params(Section):
    """Which documents are worth training on."""

    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes that are kept."""
    min_language_score: float = Field(ge=0, le=1)
    """Score, 0 to 1, from which on a document counts as written in another language; below, it is undecided."""
    rules: Rules
    """What to drop, by kind of document."""


def tagged(documents: pd.DataFrame) -> pd.DataFrame:
    """The documents mended, each with its language; ids stay those of the raw ones, for all ledgers join on them."""
    texts = list(map(repair, documents["text"]))
    languages = pd.DataFrame(map(detect, texts), columns=["language", "language_score"], index=documents.index)
    return documents.assign(text=texts, **languages)


def first_failures(documents: pd.DataFrame, params: Params) -> list[Failure | None]:
    """The first rule that each tagged document breaks: its language, then those of its kind."""
    measured = measure([judged_text(*pair) for pair in zip(documents["kind"], documents["text"], strict=True)])
    found: list[Failure | None] = [None] * len(documents)
    for kind, rows in documents.groupby("kind").indices.items():
        broken = broken_rules(str(kind), documents["name"].iloc[rows].tolist(), measured.iloc[rows], params.rules)
        for row, failure in zip(rows, broken, strict=True):
            found[row] = failure
    scores = documents["language_score"]
    is_foreign = ~documents["language"].isin(params.languages) & (scores >= params.min_language_score)
    for row in is_foreign.to_numpy().nonzero()[0]:
        found[row] = Failure("language", float(scores.iloc[row]), params.min_language_score)
    return found


def ledger(raw: pd.DataFrame, failures: Sequence[Failure | None], masked: Sequence[tuple[str, int]]) -> list[Entry]:
    """A row for each document: kept with its masked text unless it breaks a rule."""
    identities = zip(raw["id"], raw["source"], raw["kind"], map(len, raw["text"]), strict=True)
    return [
        Entry(*identity, 0, *failure) if failure else Entry(*identity, len(text), masked=spans)
        for identity, failure, (text, spans) in zip(identities, failures, masked, strict=True)
    ]


def run(params: Params, documents: Path, output: Path) -> Metrics:
    """Clean every document under `documents`; order and ids stay."""
    raw = read_documents(documents)
    mended = tagged(raw)
    failures = first_failures(mended, params)
    # Of what is dropped nothing is left to be masked.
    masked = mask_all(["" if failure else text for failure, text in zip(failures, mended["text"], strict=True)])
    entries = ledger(raw, failures, masked)
    kept = mended.assign(text=[text for text, _ in masked])[[entry.kept for entry in entries]]
    write_documents(output / "documents", kept)
    write_ledger(output / "ledger.parquet", entries)
    require_kept("clean", entries)
    return tally(entries) | {"masked": sum(entry.masked for entry in entries)}


if __name__ == "__main__":
    command("clean", run)

"""Remove from the training part what gives away an evaluation item or a validation or test prompt."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, compress
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.text.contamination import Verdict, verdicts
from stages.text.demonstrations import ChoiceItem, Demonstration, Message, Prompt
from stages.text.documents import SPLITS, read_documents, write_documents
from stages.text.ledger import Entry, require_kept, tally, write_ledger
from stages.text.records import read_records, write_records

EVALUATION_SPLITS = ("validation", "test")


class Params(Section):
    """What counts as giving an item away."""

    long_words: int = Field(gt=0)
    """A training text that shares a run of this many words with an item is dropped."""
    short_words: int = Field(gt=0)
    """Length of the runs that the coverage of an item is measured by."""
    min_coverage: float = Field(ge=0, le=1)
    """Share of an item's short runs, 0 to 1, from which on a training text that holds them is dropped."""
    common_texts: int = Field(ge=0)
    """Runs in more training texts than this are ignored: they are set phrases, not the item's own words."""


def conversation_text(messages: Iterable[Message]) -> str:
    """The words of a conversation."""
    return "\n".join(message.content for message in messages)


def protected_texts(items: Iterable[ChoiceItem], prompts: Iterable[Prompt]) -> list[str]:
    """What training texts must not hold: items with their right answer, evaluation prompts with their reference.

    A prompt about a real name is protected without its reference, because its source is in the training part by
    design: it asks whether the model knows what it has read.
    """
    texts = [f"{item.context} {item.choices[item.answer]}" for item in items]
    for prompt in prompts:
        if prompt.split in EVALUATION_SPLITS:
            reference = "" if prompt.category == "real_name" else prompt.reference
            texts.append(f"{conversation_text(prompt.messages)}\n{reference}")
    return texts


def with_splits(documents: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """The documents, each with its split; StageError if one has none."""
    of_document = splits.set_index("document_id")["split"]
    assigned = documents.assign(split=documents["id"].map(of_document))
    missing = assigned["split"].isna()
    if missing.any():
        first = assigned.loc[missing, "id"].iloc[0]
        raise StageError(ExitCode.DATA, "document without a split", first, "Run compose again.")
    return assigned


class Candidate(NamedTuple):
    """A document, demonstration or prompt, as far as it matters here."""

    id: str
    source: str
    kind: str
    text: str
    is_trained_on: bool
    """Whether a model learns from it; what measures is never dropped."""


def candidates(
    documents: pd.DataFrame, demonstrations: Iterable[Demonstration], prompts: Iterable[Prompt]
) -> dict[str, list[Candidate]]:
    """What may be dropped, by what it is."""
    columns = (documents[name] for name in ("id", "source", "kind", "text", "split"))
    return {
        "documents": [
            Candidate(id_, source, kind, text, is_trained_on=split == "train")
            for id_, source, kind, text, split in zip(*columns, strict=True)
        ],
        **{
            name: [
                Candidate(
                    record.id,
                    name,
                    record.kind,
                    conversation_text(record.messages),
                    is_trained_on=record.split not in EVALUATION_SPLITS,
                )
                for record in records
            ]
            for name, records in (("demonstrations", demonstrations), ("prompts", prompts))
        },
    }


def entry(candidate: Candidate, verdict: Verdict | None) -> Entry:
    """The candidate's row of the ledger."""
    length = len(candidate.text)
    if verdict is None:
        return Entry(candidate.id, candidate.source, candidate.kind, length, length)
    return Entry(candidate.id, candidate.source, candidate.kind, length, 0, *verdict)


def judged(
    groups: Mapping[str, Sequence[Candidate]], protected: Sequence[str], params: Params
) -> dict[str, list[Entry]]:
    """The ledger of each group. Whether a run of words is common is counted over the training part of all groups."""
    trained = [candidate for group in groups.values() for candidate in group if candidate.is_trained_on]
    found = dict(
        zip(
            trained,
            verdicts(
                (candidate.text for candidate in trained),
                protected,
                long_words=params.long_words,
                short_words=params.short_words,
                min_coverage=params.min_coverage,
                common_texts=params.common_texts,
            ),
            strict=True,
        )
    )
    return {name: [entry(candidate, found.get(candidate)) for candidate in group] for name, group in groups.items()}


def run(
    params: Params, documents: Path, splits: Path, demonstrations: Path, prompts: Path, tasks: Path, output: Path
) -> Metrics:
    """Give each document its split, and drop documents, demonstrations and prompts from the training part alone."""
    table = with_splits(read_documents(documents), pq.read_table(splits).to_pandas())
    all_demonstrations = read_records(demonstrations, Demonstration)
    all_prompts = read_records(prompts, Prompt)
    items = [item for path in sorted(tasks.glob("*.jsonl")) for item in read_records(path, ChoiceItem)]
    groups = candidates(table, all_demonstrations, all_prompts)
    ledgers = judged(groups, protected_texts(items, all_prompts), params)
    kept = {name: [row.kept for row in rows] for name, rows in ledgers.items()}
    write_documents(output / "documents", table[kept["documents"]])
    write_records(output / "demonstrations.jsonl", compress(all_demonstrations, kept["demonstrations"]))
    write_records(output / "prompts.jsonl", compress(all_prompts, kept["prompts"]))
    write_ledger(output / "ledger.parquet", chain.from_iterable(ledgers.values()))
    require_kept("decontaminate", ledgers["documents"])
    by_split = table.loc[kept["documents"], "split"].value_counts()
    metrics: Metrics = {f"documents_{split}": int(by_split.get(split, 0)) for split in SPLITS}
    for name, rows in ledgers.items():
        metrics |= tally(rows, name)
    return metrics


if __name__ == "__main__":
    command("decontaminate", run)

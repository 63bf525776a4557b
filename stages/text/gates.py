"""What must hold of the documents that come in, and of the tokens that go out: the gates of collect and of encode."""

from collections.abc import Sequence

import pandas as pd
from pydantic import Field

from stages.parameters import Metrics, Section
from stages.text.accepted import Accepted, check_accepted
from stages.text.documents import DOCUMENT_SCHEMA, KINDS
from stages.text.expectations import Rule, Severity, Verdict, check, enforce

LEAST_TOKENS = 3
"""Of a document: bos, one token of text, end."""


class SourceLimits(Section):
    """What collected documents must satisfy."""

    min_documents: int = Field(ge=0)
    """Fewer make no corpus."""
    max_failed_fraction: float = Field(ge=0, le=1)
    """Files that may be unreadable, 0 to 1."""
    max_characters: int = Field(gt=0)
    """Of one document; a few may be longer, see `max_outlier_fraction`."""
    max_replacement_fraction: float = Field(ge=0, le=1)
    """Characters of one document that may stand for bytes that were no text, 0 to 1."""
    max_outlier_fraction: float = Field(ge=0, le=1)
    """Documents that may exceed the two limits above, 0 to 1; more is a warning."""
    min_distinct_fraction: float = Field(ge=0, le=1)
    """Texts that differ from every other, 0 to 1; fewer is a warning of something read twice."""
    max_source_fraction: float = Field(ge=0, le=1)
    """Characters that may come from one source, 0 to 1; more is a warning."""
    accepted: Accepted | None
    """Figures of the last run that was found good; null before there is one."""


def source_rules(limits: SourceLimits) -> list[Rule]:
    """Rules about the table of collected documents, one row each, without the texts."""
    most = 1 - limits.max_outlier_fraction
    distinct = {"column": "content", "min_value": limits.min_distinct_fraction}
    replaced = {"column": "replacement_fraction", "max_value": limits.max_replacement_fraction, "mostly": most}
    return [
        Rule("enough documents", "critical", "ExpectTableRowCountToBeBetween", {"min_value": limits.min_documents}),
        Rule("an id for every document", "critical", "ExpectColumnValuesToNotBeNull", {"column": "id"}),
        Rule("no id twice", "critical", "ExpectColumnValuesToBeUnique", {"column": "id"}),
        Rule("a source for every document", "critical", "ExpectColumnValuesToNotBeNull", {"column": "source"}),
        Rule("a licence for every document", "critical", "ExpectColumnValuesToNotBeNull", {"column": "licence"}),
        Rule("known kinds", "critical", "ExpectColumnValuesToBeInSet", {"column": "kind", "value_set": list(KINDS)}),
        Rule("no empty text", "critical", "ExpectColumnValuesToBeBetween", {"column": "characters", "min_value": 1}),
        Rule(
            "texts of bearable length",
            "warning",
            "ExpectColumnValuesToBeBetween",
            {"column": "characters", "max_value": limits.max_characters, "mostly": most},
        ),
        Rule("text decoded well", "warning", "ExpectColumnValuesToBeBetween", replaced),
        Rule("distinct texts", "warning", "ExpectColumnProportionOfUniqueValuesToBeBetween", distinct),
        Rule(
            "dates as ISO 8601",
            "warning",
            "ExpectColumnValuesToMatchRegex",
            {"column": "date", "regex": r"^\d{4}(?:-\d{2}(?:-\d{2})?)?"},
        ),
    ]


def reading_rules(limits: SourceLimits) -> list[Rule]:
    """Rules about the reading as a whole, a table of one row."""
    failed = {"column": "failed_fraction", "max_value": limits.max_failed_fraction}
    largest = {"column": "largest_source_fraction", "max_value": limits.max_source_fraction}
    return [
        Rule("few unreadable files", "critical", "ExpectColumnMaxToBeBetween", failed),
        Rule("no source outweighs the others", "warning", "ExpectColumnMaxToBeBetween", largest),
    ]


def check_sources(columns: Sequence[str], measured: pd.DataFrame, figures: Metrics, limits: SourceLimits) -> Verdict:
    """The source gate's verdict on the stage's figures and what they were made of; StageError if a critical rule fails.

    `columns` are those of the documents as written; `measured` has a row per document and stands for the texts:
    columns `MEASURES` of `stages.text.raw_batches`.
    """
    exactly = {"column_set": DOCUMENT_SCHEMA.names, "exact_match": True}
    shape = [Rule("columns of a document", "critical", "ExpectTableColumnsToMatchSet", exactly)]
    results = check(pd.DataFrame(columns=list(columns)), shape)
    results += check(measured.set_index("id", drop=False), source_rules(limits))
    by_source = measured.groupby("source")["characters"].sum()
    read, failed = (int(figures[name]) for name in ("files_read", "files_failed"))
    reading = pd.DataFrame(
        {
            "failed_fraction": [failed / max(read + failed, 1)],
            "largest_source_fraction": [max(by_source, default=0) / max(by_source.sum(), 1)],
        }
    )
    results += check(reading, reading_rules(limits)) + check_accepted(limits.accepted, figures)
    return enforce("source", "collect.gate", results)


class TokenLimits(Section):
    """What encoded documents must satisfy."""

    min_bytes_per_token: float = Field(ge=0)
    """Of every kind of document; a lower figure says that the tokenizer does not know the language. Of a source: a
    warning."""
    max_bytes_per_token: float = Field(gt=0)
    """Of every kind of document; a higher figure says that text repeats itself. Of a source: a warning."""
    max_padding_fraction: float = Field(ge=0, le=1)
    """Places in the rows of `train/` that hold no token, 0 to 1; more is a warning."""
    accepted: Accepted | None
    """Figures of the last run that was found good; null before there is one."""


def index_rules() -> list[Rule]:
    """Rules about the token index: one row per document."""
    again = {"column": "round_trip_ok", "value_set": [True]}
    tokens = {"column": "tokens", "min_value": LEAST_TOKENS}
    return [
        Rule("no document twice or in two splits", "critical", "ExpectColumnValuesToBeUnique", {"column": "id"}),
        Rule("tokens in every document", "critical", "ExpectColumnValuesToBeBetween", tokens),
        Rule("tokens decode to the text", "critical", "ExpectColumnValuesToBeInSet", again),
    ]


def density_rules(group: str, severity: Severity, limits: TokenLimits) -> list[Rule]:
    """Rules about `densities` by a column of the index."""
    between = {"min_value": limits.min_bytes_per_token, "max_value": limits.max_bytes_per_token}
    arguments = {"column": "bytes_per_token", **between}
    return [Rule(f"bytes per token of every {group}", severity, "ExpectColumnValuesToBeBetween", arguments)]


def densities(index: pd.DataFrame, group: str) -> pd.DataFrame:
    """Bytes per token of each group of documents."""
    groups = index.groupby(group)
    sums = groups[["bytes", "tokens"]].sum()
    # bos and end stand for no byte.
    return pd.DataFrame({"bytes_per_token": sums["bytes"] / (sums["tokens"] - 2 * groups.size()).clip(lower=1)})


def shard_rules(limits: TokenLimits, vocabulary_size: int) -> list[Rule]:
    """Rules about the token folders as a whole, a table of one row."""
    largest = {"column": "largest_token", "max_value": vocabulary_size - 1}
    padding = {"column": "padding_fraction", "max_value": limits.max_padding_fraction}
    counts = {"column_A": "documents_written", "column_B": "documents"}
    return [
        Rule("tokens within the vocabulary", "critical", "ExpectColumnMaxToBeBetween", largest),
        Rule("every document written", "critical", "ExpectColumnPairValuesToBeEqual", counts),
        Rule("little padding", "warning", "ExpectColumnMaxToBeBetween", padding),
    ]


def check_tokens(
    index: pd.DataFrame,
    figures: Metrics,
    limits: TokenLimits,
    *,
    vocabulary_size: int,
    largest_token: int,
    documents_written: int,
    padding_fraction: float,
) -> Verdict:
    """The token gate's verdict; StageError if a critical rule fails.

    `index` has a row per document: id, source, kind, split, tokens, bytes, round_trip_ok; `figures` are the stage's.
    `documents_written` counts those in all token folders without canaries; `padding_fraction` is that of `train/`.
    """
    results = check(index.set_index("id", drop=False), index_rules())
    results += check(densities(index, "kind"), density_rules("kind", "critical", limits))
    results += check(densities(index, "source"), density_rules("source", "warning", limits))
    shards = pd.DataFrame(
        {
            "largest_token": [largest_token],
            "documents": [len(index)],
            "documents_written": [documents_written],
            "padding_fraction": [padding_fraction],
        }
    )
    results += check(shards, shard_rules(limits, vocabulary_size)) + check_accepted(limits.accepted, figures)
    return enforce("token", "encode.gate", results)

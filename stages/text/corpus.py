"""The corpus that the gate before training looks at: everything that the stages from collect to decontaminate wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field, NonNegativeInt

from stages.parameters import Section
from stages.seeding import key_hash
from stages.text import corpus_gate
from stages.text.accepted import Accepted
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.document_parts import read_texts
from stages.text.documents import parts
from stages.text.expectations import Rule


class CorpusLimits(Section):
    """How much may be missing before something must be wrong."""

    seed: int
    """Chooses the texts that are read."""
    sampled_texts: int = Field(ge=0)
    """Texts searched for what should not be in them."""
    min_kept_fraction: float = Field(ge=0, le=1)
    """Of every source's documents, 0 to 1: less, and a threshold ate the source."""
    max_kept_fraction: float = Field(ge=0, le=1)
    """Of every source's documents, 0 to 1."""
    max_duplicate_fraction: float = Field(ge=0, le=1)
    """Of all cleaned documents, 0 to 1, that may be duplicates."""
    max_contaminated_fraction: float = Field(ge=0, le=1)
    """Of all documents, demonstrations and prompts, 0 to 1, that may have been dropped as contaminated."""
    max_source_divergence: float = Field(ge=0)
    """Kullback-Leibler divergence of the mix of sources that is left from that collected, in nats."""
    shared_words: int = Field(gt=0)
    """Runs of this many words decide whether a text holds the answer to a test prompt."""
    max_leaking_fraction: float = Field(ge=0, le=1)
    """Of the texts read, 0 to 1, that may hold a whole answer to a test prompt, as set phrases do."""
    least: dict[str, NonNegativeInt]
    """The fewest documents, demonstrations and prompts of each split, for example `documents_test`."""
    accepted: Accepted | None
    """Figures of the last run that was found good; null before there is one."""


@dataclass(frozen=True)
class Corpus:
    """All that the gate looks at."""

    collected: dict[str, int]
    """Documents that each source gave."""
    ledgers: dict[str, pd.DataFrame]
    """Rows about documents, by stage, in the order of the stages."""
    judged: pd.DataFrame
    """The whole ledger of decontaminate: demonstrations and prompts too."""
    clusters: pd.DataFrame
    splits: pd.DataFrame
    documents: pd.DataFrame
    """Columns id, source, split and content, the hash of the text, which is not in memory."""
    texts: pd.DataFrame
    """Columns id and text: those that are read, of training documents and demonstrations."""
    demonstrations: list[Demonstration]
    prompts: list[Prompt]


def dropped_fractions(corpus: Corpus) -> pd.DataFrame:
    """The shares that were dropped as duplicates and as contaminated, one row."""
    kept = {"duplicate": corpus.ledgers["deduplicate"]["kept"], "contaminated": corpus.judged["kept"]}
    return pd.DataFrame({f"{reason}_fraction": [1 - rows.mean()] for reason, rows in kept.items()})


def describe_documents(folder: Path) -> pd.DataFrame:
    """Id, source and split of every document, and `content`, the hash of its text, of which few are in memory."""
    tables = []
    for part in parts(folder):
        for batch in pq.ParquetFile(part).iter_batches(columns=["id", "source", "split", "text"]):
            table = batch.to_pandas()
            tables.append(table.assign(content=table.pop("text").map(corpus_gate.content_hash)))
    return pd.concat(tables, ignore_index=True)


def sampled(ids: Sequence[str], count: int, seed: int) -> list[str]:
    """So many ids, chosen by a hash of each and in its order."""
    return sorted(ids, key=lambda name: key_hash(seed, "validate", name))[:count]


def training_texts(
    folder: Path, documents: pd.DataFrame, demonstrations: Sequence[Demonstration], count: int, seed: int
) -> pd.DataFrame:
    """Id and text of a sample of the training documents and demonstrations."""
    trained = documents.loc[documents["split"] == "train", "id"].tolist()
    written = {one.id: "\n".join(message.content for message in one.messages) for one in demonstrations}
    chosen = sampled([*trained, *(one.id for one in demonstrations if one.split == "train")], count, seed)
    found = {name: text for part in parts(folder) for name, text in read_texts(part, frozenset(chosen))}
    texts = written | found
    return pd.DataFrame([(name, texts[name]) for name in chosen], columns=["id", "text"])


def answers(prompts: Sequence[Prompt]) -> list[str]:
    """Answers that no training text may hold: not those in set words, nor those about real names, known by design."""
    measured = [one for one in prompts if one.split in corpus_gate.MEASURED_SPLITS]
    return [one.reference for one in measured if one.expects == "answer" and one.category != "real_name"]


def suites(corpus: Corpus, limits: CorpusLimits) -> Iterator[tuple[pd.DataFrame, list[Rule]]]:
    """The tables of the gate, each with its rules."""
    rows = corpus_gate.ledger_table(corpus.ledgers)
    shares = {"duplicate": limits.max_duplicate_fraction, "contaminated": limits.max_contaminated_fraction}
    counts = corpus_gate.part_counts(corpus.documents, corpus.demonstrations, corpus.prompts)
    kept = corpus_gate.source_table(corpus.collected, corpus.documents)
    documents = corpus_gate.document_table(corpus.documents, corpus.splits, corpus.clusters)
    composed = corpus_gate.composed_table(corpus.demonstrations, corpus.prompts, corpus.splits)
    read = corpus_gate.text_table(corpus.texts, answers(corpus.prompts), limits.shared_words)
    total = sum(corpus.collected.values())
    yield corpus_gate.account_table(total, corpus.ledgers, len(documents)), corpus_gate.account_rules()
    yield rows, corpus_gate.ledger_rules()
    yield rows[rows["masked"] == 0], corpus_gate.growth_rules()
    yield dropped_fractions(corpus), corpus_gate.dropped_rules(shares)
    yield kept, corpus_gate.source_rules(limits.min_kept_fraction, limits.max_kept_fraction)
    yield corpus.documents, corpus_gate.mix_rules(corpus.collected, limits.max_source_divergence)
    yield documents, corpus_gate.document_rules()
    yield corpus_gate.size_table(counts, limits.least), corpus_gate.size_rules()
    yield composed, corpus_gate.composed_rules()
    yield read, corpus_gate.text_rules(limits.max_leaking_fraction)

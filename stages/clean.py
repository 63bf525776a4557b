"""Mend, tag and filter documents, and mask the personal data in them; the ledger says what happened to each."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.attributes import attributes
from stages.text.documents import DOCUMENT_SCHEMA, write_columns
from stages.text.filters import VERDICT, kept, verdicts
from stages.text.kept_attributes import attribute_key, kept_or_measured, remove_others
from stages.text.ledger import LEDGER_SCHEMA, require_any
from stages.text.ledger_parts import ledger_file, tally_rows
from stages.text.personal_data import mask
from stages.text.profiles import Choice, Headwater
from stages.text.repair import repair_all


class Params(Section):
    """Which documents are worth training on."""

    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes that are kept."""
    min_language_score: float = Field(ge=0, le=1)
    """Score, 0 to 1, from which on a document counts as written in another language; below, it is undecided."""
    toxic_words: tuple[Annotated[str, Field(pattern=r"^\w+$")], ...]
    """Words that are counted as toxic, of letters, digits and underscores, whatever their case."""
    max_toxic_word_fraction: float = Field(ge=0, le=1)
    """Share of a document's words that may be among them, whatever its kind."""
    profiles: Choice
    """By which limits each kind of document is judged."""
    headwater: Headwater
    """Our own limits."""


class Cleaned(NamedTuple):
    """What becomes of a part."""

    documents: pa.Table
    """Those that are kept, in `DOCUMENT_SCHEMA`."""
    ledger: pa.Table
    """A row for each raw document, in `LEDGER_SCHEMA`."""


def judge(documents: pa.Table, known: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The `VERDICT` on each document: by its language, else by its profile, else by its toxic words."""
    found = kept(len(known))
    kinds = documents["kind"].to_pandas()
    for kind, rows in kinds.groupby(kinds).indices.items():
        names = documents["name"].take(rows).to_pylist()
        broken = verdicts(str(kind), names, known.iloc[rows], params.profiles, params.headwater)
        found.loc[rows, list(VERDICT)] = broken.set_index(rows)
    toxic, scores = known["toxic_word_fraction"], known["language_score"]
    is_toxic = (toxic > params.max_toxic_word_fraction) & found["rule"].isna()
    is_foreign = ~known["language"].isin(params.languages) & (scores >= params.min_language_score)
    for rule, holds, value, threshold in (
        ("max_toxic_word_fraction", is_toxic, toxic, params.max_toxic_word_fraction),
        ("language", is_foreign, scores, params.min_language_score),
    ):
        found.loc[holds, "rule"], found.loc[holds, "value"] = rule, value[holds]
        found.loc[holds, "threshold"] = threshold
    return found


def ledger(raw: pa.Table, verdict: pd.DataFrame, texts: list[str], masked: list[int]) -> pa.Table:
    """A row for each document; `texts` are those that are left of them, empty where a rule drops one."""
    columns = {name: raw[name] for name in ("id", "source", "kind")} | {
        "characters_in": pc.utf8_length(raw["text"]).cast(pa.int64()),
        "characters_out": pa.array(map(len, texts), pa.int64()),
        "kept": pa.array(verdict["rule"].isna()),
        "rule": pa.array(verdict["rule"], pa.string(), from_pandas=True),
        "value": pa.array(verdict["value"], pa.float64(), from_pandas=True),
        "threshold": pa.array(verdict["threshold"], pa.float64(), from_pandas=True),
        "kept_id": pa.nulls(raw.num_rows, pa.string()),
        "masked": pa.array(masked, pa.int64()),
    }
    return pa.table(columns, LEDGER_SCHEMA).combine_chunks()


def known_of(mended: pa.Table, params: Params) -> pd.DataFrame:
    """The attributes of mended documents."""
    kinds, paths, texts = (mended[name].to_pylist() for name in ("kind", "path", "text"))
    return attributes(kinds, paths, texts, params.toxic_words)


def mend(raw: pa.Table) -> pa.Table:
    """The documents with their texts mended; ids stay those of the raw ones, for all ledgers join on them."""
    texts = pa.array(repair_all(raw["text"].to_pylist()), pa.string())
    return raw.set_column(raw.schema.get_field_index("text"), DOCUMENT_SCHEMA.field("text"), texts)


def clean_part(raw: pa.Table, params: Params, known: Callable[[pa.Table, Params], pd.DataFrame] = known_of) -> Cleaned:
    """Clean the documents of one part, a function of them and the parameters alone; order and ids stay.

    `known` gives the attributes of mended documents, measured or, the same, kept.
    """
    mended = mend(raw)
    found = known(mended, params)
    verdict = judge(raw, found, params)
    is_kept = verdict["rule"].isna().to_numpy()
    texts = mended["text"].to_pylist()
    # Of what is dropped nothing is left to be masked.
    masked = np.where(is_kept, found["personal_data"], 0).tolist()
    for row in np.flatnonzero(masked):
        texts[row] = mask(texts[row])[0]
    texts = [text if one else "" for text, one in zip(texts, is_kept, strict=True)]
    changed = {
        "text": pa.array(texts, pa.string()),
        "language": pa.array(found["language"], pa.string()),
        "language_score": pa.array(found["language_score"]),
    }
    documents = pa.table({name: raw[name] for name in DOCUMENT_SCHEMA.names} | changed, DOCUMENT_SCHEMA)
    return Cleaned(documents.filter(pa.array(is_kept)).combine_chunks(), ledger(raw, verdict, texts, masked))


def run(params: Params, documents: Path, output: Path, attributes: Path) -> Metrics:
    """Clean every part under `documents` by itself; parts keep their names, documents their order and ids.

    What is measured is kept in `attributes`, which saves the next run time and changes nothing.
    """
    totals, rules = Counter[str](masked=0), Counter[str]()
    parts = {path: attribute_key(path, params.toxic_words) for path in sorted(documents.glob("*.parquet"))}
    with ledger_file(output / "ledger.parquet") as add:
        for path, key in parts.items():
            kept_at = attributes / key / path.name
            cleaned = clean_part(pq.read_table(path), params, partial(kept_or_measured, kept_at, known_of))
            write_columns(output / "documents" / path.name, cleaned.documents)
            add(cleaned.ledger)
            totals.update(tally_rows(cleaned.ledger), masked=pc.sum(cleaned.ledger["masked"], min_count=0).as_py())
            rules.update(filter(None, cleaned.ledger["rule"].to_pylist()))
    remove_others(attributes, parts.values())
    require_any("clean", totals["documents_kept"], rules)
    return dict(totals)


if __name__ == "__main__":
    command("clean", run)

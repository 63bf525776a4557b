"""Mend, tag and filter documents, and mask the personal data in them; the ledger says what happened to each."""

import shutil
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

from stages.cluster.engines import Engine
from stages.cluster.shards import map_shards
from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.attributes import attributes
from stages.text.documents import DOCUMENT_SCHEMA, parts, write_row_groups
from stages.text.filters import VERDICT, kept, verdicts
from stages.text.kept_attributes import attribute_key, kept_or_measured, remove_others
from stages.text.ledger import LEDGER_SCHEMA
from stages.text.ledger_columns import ledger_columns, read_ledger, require_kept_rows, tally_ledger
from stages.text.personal_data import mask
from stages.text.profiles import Choice, Headwater, title
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
    before, left = pc.utf8_length(raw["text"]).to_numpy(), np.array(list(map(len, texts)), dtype=np.int64)
    reasons = {name: pa.array(verdict[name], LEDGER_SCHEMA.field(name).type, from_pandas=True) for name in VERDICT}
    return ledger_columns(raw, before.astype(np.int64), left, reasons | {"masked": pa.array(masked, pa.int64())})


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


def clean_shard(params: Params, attributes: Path, part: Path, folder: Path) -> None:
    """Clean one part into the files `documents.parquet` and `ledger.parquet` of a folder.

    What is measured is kept in `attributes`, which saves the next run time and changes nothing.
    """
    key = attribute_key(part, params.toxic_words)
    (folder / "key").write_text(key)
    kept_at = attributes / key / part.name
    cleaned = clean_part(pq.read_table(part), params, partial(kept_or_measured, kept_at, known_of))
    write_row_groups(folder / "documents.parquet", [cleaned.documents], DOCUMENT_SCHEMA)
    write_row_groups(folder / "ledger.parquet", [cleaned.ledger], LEDGER_SCHEMA)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a finished file a second name, or a copy where the file system has no such names."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def run(params: Params, documents: Path, output: Path, attributes: Path, checkpoints: Path, engine: Engine) -> Metrics:
    """Clean every part under `documents` by itself; parts keep their names, documents their order and ids."""
    found = parts(documents)
    folders = map_shards("clean", partial(clean_shard, params, attributes), found, checkpoints, engine)
    (output / "documents").mkdir(parents=True)
    for part, folder in zip(found, folders, strict=True):
        link_or_copy(folder / "documents.parquet", output / "documents" / part.name)
    path = output / "ledger.parquet"
    write_row_groups(path, (pq.read_table(folder / "ledger.parquet") for folder in folders), LEDGER_SCHEMA)
    remove_others(attributes, ((folder / "key").read_text() for folder in folders))
    entries = read_ledger(path)
    require_kept_rows("clean", entries)
    profiles: Metrics = {f"profile_{kind}": title(kind, params.profiles) for kind in Choice.model_fields}
    return tally_ledger(entries) | {"masked": pc.sum(entries["masked"], min_count=0).as_py()} | profiles


if __name__ == "__main__":
    command("clean", run)

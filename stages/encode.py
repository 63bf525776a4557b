"""Mix the kinds of text, put the canaries in, and turn documents into packed rows of tokens."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from stages.cluster.engines import Engine
from stages.cluster.shards import map_shards
from stages.command import command
from stages.parameters import Metrics, Section
from stages.seeding import generator
from stages.text.demonstrations import Canary
from stages.text.document_encoding import IDS, drawn, encode_shard, encoded_documents, select
from stages.text.document_parts import read_sizes, read_texts
from stages.text.documents import parts
from stages.text.encoder import EDGES, Encoder, fastest
from stages.text.expectations import Verdict
from stages.text.gate import require_passed
from stages.text.gates import TokenLimits, check_tokens
from stages.text.mixture import Share, estimated_tokens, mix, some
from stages.text.records import read_records
from stages.text.scratch_arrays import scratch_folder
from stages.text.token_files import TokenFiles
from stages.text.token_folders import (
    CANARY,
    FOLDERS,
    canary_places,
    canary_table,
    folder_of,
    summary,
    write_token_folder,
)
from stages.text.tokenizer import Tokenizer


class Params(Section):
    """What the training tokens are made of."""

    seed: int
    """Chooses the documents of a broken pass and the order of rows."""
    context_length: int = Field(gt=0)
    """Inputs per row, in tokens; the longest that a model trained on these rows will read."""
    train_tokens: int = Field(gt=0)
    """Tokens in `train/`, without the domain and the canaries; fewer where the caps on repeats do not allow as many."""
    mixture: Annotated[dict[str, Share], AfterValidator(some)]
    """Weight and cap on repeats of each kind of document."""
    domain_sources: tuple[str, ...]
    """Sources kept out of the general folders for `domain/`, which finetune learns from."""
    estimate_documents: int = Field(gt=0)
    """Documents of each kind that are encoded to estimate how many tokens the kind has."""
    compared_documents: int = Field(ge=0)
    """Documents whose ids are compared with those of the tokenizers library; a difference fails the stage."""
    gate: TokenLimits
    """What the tokens must satisfy."""


def pass_gate(
    documents: pd.DataFrame, summaries: dict[str, dict[str, Any]], figures: Metrics, size: int, limits: TokenLimits
) -> Verdict:
    """The token gate's verdict on what was written; `size` is that of the vocabulary."""
    index = documents[["id", "source", "kind", "bytes", "round_trip_ok"]].assign(
        split=documents["folder"], tokens=documents["size"]
    )
    canaries = summaries["train"]["documents_by_kind"].get(CANARY, 0)
    return check_tokens(
        index,
        figures,
        limits,
        vocabulary_size=size,
        largest_token=int(documents["largest"].max()),
        documents_written=sum(folder["documents"] for folder in summaries.values()) - canaries,
        padding_fraction=summaries["train"]["padding_fraction"],
    )


def metrics(summaries: dict[str, dict[str, Any]], mixed: dict[str, float]) -> Metrics:
    """The manifest's main counts as flat figures."""
    train = summaries["train"]
    result: Metrics = {
        f"{folder.replace('/', '_')}_{name}": summaries[folder][name]
        for folder in FOLDERS
        for name in ("documents", "targets")
    }
    return result | {
        "train_rows": train["rows"],
        "train_padding_fraction": train["padding_fraction"],
        "train_bytes_per_target": round(train["bytes"] / max(train["targets"], 1), 4),
        **{f"passes_{kind}": round(value, 4) for kind, value in mixed.items()},
    }


def read_mixed(folder: Path, encoder: Encoder, params: Params) -> tuple[pd.DataFrame, dict[str, float]]:
    """The documents that are read at all, in their order, and the passes over each kind.

    Columns id, source, kind, bytes, part and row, folder, copies.
    """
    # In order of id, so that the order of rows and shards on disk decides nothing, not even how sums are rounded.
    table = read_sizes(folder, ["id", "source", "kind", "split"]).sort_values("id")
    table = table.reset_index(drop=True).assign(copies=1)
    origins = zip(table["split"], table["source"], strict=True)
    table["folder"] = [folder_of(split, source, params.domain_sources) for split, source in origins]
    general = table["folder"] == "train"
    sizes = estimated_tokens(table[general], count_sample(folder, table[general], encoder, params))
    counts, mixed = mix(table[general], sizes, params.mixture, params.train_tokens, params.seed)
    table.loc[general, "copies"] = counts
    return table[table["copies"] > 0].sort_values(["part", "row"], ignore_index=True), mixed


def count_sample(folder: Path, documents: pd.DataFrame, encoder: Encoder, params: Params) -> dict[str, int]:
    """Tokens of a sample of each kind of document, by id."""
    sample = frozenset[str]().union(
        *(
            drawn(group.tolist(), params.estimate_documents, params.seed, "estimate")
            for _, group in documents.groupby("kind")["id"]
        )
    )
    counted = dict[str, int]()
    for part in parts(folder):
        texts = dict(read_texts(part, sample))
        starts = encoder.encode(list(texts.values())).starts
        counted |= zip(texts, (np.diff(starts) - EDGES).tolist(), strict=True)
    return counted


def encode_documents(
    folder: Path,
    table: pd.DataFrame,
    tokenizer: Path,
    params: Params,
    scratch: Path,
    checkpoints: Path,
    engine: Engine,
) -> tuple[pd.DataFrame, list[Path]]:
    """The documents of the table with what became of them (`encoded_documents`), and the files of their tokens."""
    compared = drawn(table["id"].tolist(), params.compared_documents, params.seed, "compared")
    selected = select(table, compared, scratch / "selected")
    shards = map_shards("encode: documents", partial(encode_shard, folder, tokenizer), selected, checkpoints, engine)
    return table.join(encoded_documents(shards)), [shard / IDS for shard in shards]


def encode_canaries(canaries: pd.DataFrame, encoder: Encoder, number: int, path: Path) -> pd.DataFrame:
    """Write the canaries as tokens into the file of that number; they, with where each of them is there."""
    found = encoder.encode(canaries["text"].tolist())
    found.ids.tofile(path)
    return canaries.assign(file=number, begin=found.starts[:-1], size=np.diff(found.starts))


def write_folders(
    documents: pd.DataFrame, tokens: TokenFiles, tokenizer: Tokenizer, params: Params, output: Path
) -> dict[str, pd.DataFrame]:
    """Write every token folder and return its pieces."""
    return {
        folder: write_token_folder(
            output / folder,
            documents[documents["folder"] == folder],
            tokens,
            tokenizer,
            params.context_length,
            generator(params.seed, "rows", folder),
        )
        for folder in FOLDERS
    }


def run(
    params: Params,
    documents: Path,
    canaries: Path,
    tokenizer: Path,
    passed: Path,
    output: Path,
    checkpoints: Path,
    engine: Engine,
) -> Metrics:
    """Write the token folders and the manifest, and pass the token gate."""
    require_passed(passed, documents)
    coder = Tokenizer.load(tokenizer)
    encoder = fastest(tokenizer)
    table, mixed = read_mixed(documents, encoder, params)
    with scratch_folder(output / "scratch") as scratch:
        encoded, files = encode_documents(documents, table, tokenizer, params, scratch, checkpoints, engine)
        put_in = canary_table(read_records(canaries, Canary))
        put_in = encode_canaries(put_in, encoder, len(files), scratch / "canaries")
        with TokenFiles([*files, scratch / "canaries"], coder.id_type) as tokens:
            pieces = write_folders(pd.concat([encoded, put_in]), tokens, coder, params, output)
    summaries = {folder: summary(pieces[folder], params.context_length) for folder in FOLDERS}
    figures = metrics(summaries, mixed)
    gate = pass_gate(encoded, summaries, figures, coder.vocabulary_size, params.gate)
    manifest = {
        "tokenizer": coder.hash,
        "vocabulary_size": coder.vocabulary_size,
        "context_length": params.context_length,
        "domain_sources": params.domain_sources,
        "folders": summaries,
        "passes": mixed,
        "canaries": canary_places(pieces["train"]),
        "gate": gate,
    }
    (output / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return figures


if __name__ == "__main__":
    command("encode", run)

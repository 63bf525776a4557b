"""Mix the kinds of text, put the canaries in, and turn documents into packed rows of tokens."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.seeding import generator
from stages.text.demonstrations import Canary
from stages.text.document_encoding import drawn, encode_parts
from stages.text.document_parts import read_sizes, read_texts
from stages.text.documents import parts
from stages.text.encoder import EDGES, Encoder, LibraryEncoder, fastest
from stages.text.expectations import Verdict
from stages.text.gate import require_passed
from stages.text.gates import TokenLimits, check_tokens
from stages.text.mixture import Share, estimated_tokens, mix, some
from stages.text.records import read_records
from stages.text.token_folders import (
    CANARY,
    FOLDERS,
    MOST_IDS,
    EncodedDocument,
    canary_documents,
    canary_places,
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
    index: pd.DataFrame,
    encoded: Sequence[EncodedDocument],
    summaries: dict[str, dict[str, Any]],
    size: int,
    limits: TokenLimits,
) -> Verdict:
    """The token gate's verdict on what was written; `size` is that of the vocabulary."""
    canaries = summaries["train"]["documents_by_kind"].get(CANARY, 0)
    return check_tokens(
        index,
        limits,
        vocabulary_size=size,
        largest_token=max((int(document.tokens.max()) for document in encoded), default=0),
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
    """The documents that are read at all, with columns `folder` and `copies`, and the passes over each kind."""
    # In order of id, so that the order of rows and shards on disk decides nothing, not even how sums are rounded.
    table = read_sizes(folder, ["id", "source", "kind", "split"]).sort_values("id")
    table = table.reset_index(drop=True).assign(copies=1)
    origins = zip(table["split"], table["source"], strict=True)
    table["folder"] = [folder_of(split, source, params.domain_sources) for split, source in origins]
    general = table["folder"] == "train"
    sizes = estimated_tokens(table[general], count_sample(folder, table[general], encoder, params))
    counts, mixed = mix(table[general], sizes, params.mixture, params.train_tokens, params.seed)
    table.loc[general, "copies"] = counts
    return table[table["copies"] > 0], mixed


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
        counted |= zip(texts, (np.diff(starts) - len(EDGES)).tolist(), strict=True)
    return counted


def encode_documents(
    folder: Path, table: pd.DataFrame, encoders: tuple[Encoder, Encoder], spellings: Sequence[bytes], params: Params
) -> tuple[list[EncodedDocument], pd.DataFrame]:
    """The documents of the table as tokens, and the token gate's index of them, both in its order."""
    compared = drawn(table["id"].tolist(), params.compared_documents, params.seed, "compared")
    found = dict(encode_parts(folder, frozenset(table["id"]), compared, encoders, spellings))
    in_order = [found[name] for name in table["id"]]
    columns = (table[name].tolist() for name in ("id", "source", "kind", "copies"))
    encoded = [
        EncodedDocument(name, source, kind, copies, one.tokens)
        for name, source, kind, copies, one in zip(*columns, in_order, strict=True)
    ]
    index = table[["id", "source", "kind"]].assign(
        split=table["folder"],
        tokens=[len(one.tokens) for one in in_order],
        bytes=table["bytes"],
        round_trip_ok=[one.round_trip_ok for one in in_order],
    )
    return encoded, index.reset_index(drop=True)


def write_folders(
    contents: dict[str, list[EncodedDocument]], tokenizer: Tokenizer, params: Params, output: Path
) -> dict[str, pd.DataFrame]:
    """Write every token folder and return its pieces."""
    return {
        folder: write_token_folder(
            output / folder, documents, tokenizer, params.context_length, generator(params.seed, "rows", folder)
        )
        for folder, documents in contents.items()
    }


def run(params: Params, documents: Path, canaries: Path, tokenizer: Path, passed: Path, output: Path) -> Metrics:
    """Write the token folders and the manifest, and pass the token gate."""
    require_passed(passed, documents)
    coder = Tokenizer.load(tokenizer)
    if coder.vocabulary_size > MOST_IDS:
        raise StageError(ExitCode.CONFIGURATION, "vocabulary too large", str(tokenizer), f"Use at most {MOST_IDS} ids.")
    fast, reference = fastest(tokenizer), LibraryEncoder(coder)
    table, mixed = read_mixed(documents, fast, params)
    encoded, index = encode_documents(documents, table, (fast, reference), coder.spellings, params)
    contents: dict[str, list[EncodedDocument]] = {folder: [] for folder in FOLDERS}
    for folder, document in zip(table["folder"], encoded, strict=True):
        contents[folder].append(document)
    contents["train"] += canary_documents(read_records(canaries, Canary), fast)
    pieces = write_folders(contents, coder, params, output)
    summaries = {folder: summary(pieces[folder], params.context_length) for folder in FOLDERS}
    gate = pass_gate(index, encoded, summaries, coder.vocabulary_size, params.gate)
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
    return metrics(summaries, mixed)


if __name__ == "__main__":
    command("encode", run)

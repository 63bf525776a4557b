"""Documents as tokens into a token folder, and what can be said of the folder afterwards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.text.demonstrations import Canary
from stages.text.packing import fill, place, rows_of, stretches
from stages.text.shards import create_rows, write_pieces
from stages.text.tokenizer import Tokenizer

FOLDERS = ("train", "validation", "test", "domain/train", "domain/validation", "domain/test", "after_cutoff")
"""One for every split, with those of the domain apart."""

MOST_IDS = 2**16
"""Ids that the shards' uint16 can tell apart."""

ORIGIN = ("id", "source", "kind")
"""What a piece keeps of its document."""

CANARY = "canary"
"""Source and kind of the canaries among the documents of `train/`."""


def folder_of(split: str, source: str, domain_sources: Sequence[str]) -> str:
    """The token folder of a document."""
    return f"domain/{split}" if source in domain_sources and split != "after_cutoff" else split


def canary_table(canaries: Sequence[Canary]) -> pd.DataFrame:
    """The canaries that are put in, as documents; those of no repeats are controls that the model never sees."""
    put_in = [canary for canary in canaries if canary.repeats > 0]
    columns = {"id": [canary.id for canary in put_in], "text": [canary.text for canary in put_in]}
    origin = {"source": CANARY, "kind": CANARY, "folder": "train", "copies": [canary.repeats for canary in put_in]}
    return pd.DataFrame(columns | origin).astype({"copies": "int64"})  # of none, too


def piece_bytes(tokens: np.ndarray, first: np.ndarray, length: np.ndarray, token_bytes: np.ndarray) -> np.ndarray:
    """UTF-8 bytes of the tokens that each piece predicts, all but its first; int64 [pieces]."""
    sums = np.zeros(len(first), dtype=np.int64)
    for some, within, where in stretches(first, length):
        sizes = np.where(within > 0, token_bytes[tokens[where]], 0)
        sums[some] = np.add.reduceat(sizes, np.flatnonzero(within == 0))
    return sums


def write_token_folder(
    folder: Path,
    documents: pd.DataFrame,
    tokens: np.ndarray,
    tokenizer: Tokenizer,
    context_length: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pack documents into rows shuffled by `generator`, write them, and return the pieces (`PIECE_SCHEMA`).

    `documents` has the columns id, source, kind, copies (how often each is put in), and begin and size, its place in
    `tokens`, uint16. The files are written front to back, and of both arrays only what is in use is in memory.
    """
    table = documents.sort_values("id", kind="stable")
    copies = table["copies"].to_numpy()
    of_place = np.repeat(np.arange(len(table)), copies)
    copy = np.arange(len(of_place)) - np.repeat(np.cumsum(copies) - copies, copies)
    starts = table["begin"].to_numpy(np.int64)[of_place]
    places = place(table["size"].to_numpy(np.int64)[of_place], context_length, generator)
    origin = table[list(ORIGIN)].iloc[of_place[places.document]].reset_index(drop=True)
    pieces = origin.rename(columns={"id": "document_id"}).assign(
        copy=copy[places.document],
        row=places.row,
        start=places.start,
        length=places.length,
        offset=places.offset,
        bytes=piece_bytes(tokens, starts[places.document] + places.offset, places.length, tokenizer.token_bytes()),
    )
    fill(tokens, starts, places, tokenizer.pad, *create_rows(folder, rows_of(places), context_length))
    write_pieces(folder, pieces)
    return pieces


def summary(pieces: pd.DataFrame, context_length: int) -> dict[str, Any]:
    """Counts of one token folder; documents are counted once however often they were put in."""
    rows = 0 if pieces.empty else int(pieces["row"].max()) + 1
    targets = pieces["length"] - 1
    documents = pieces[(pieces["offset"] == 0) & (pieces["copy"] == 0)]
    places = rows * (context_length + 1)
    return {
        "rows": rows,
        "documents": len(documents),
        "documents_by_kind": documents["kind"].value_counts().sort_index().to_dict(),
        "targets": int(targets.sum()),
        "targets_by_kind": targets.groupby(pieces["kind"]).sum().sort_index().to_dict(),
        "bytes": int(pieces["bytes"].sum()),
        "padding_fraction": round(1 - int(pieces["length"].sum()) / places, 6) if places else 0.0,
    }


def canary_places(pieces: pd.DataFrame) -> dict[str, list[list[int]]]:
    """Row, column and length of every piece of every canary, by its id."""
    found = pieces[pieces["kind"] == CANARY]
    places = {str(name): group[["row", "start", "length"]] for name, group in found.groupby("document_id")}
    return {name: table.to_numpy().tolist() for name, table in places.items()}

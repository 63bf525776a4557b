"""Documents as tokens into a token folder, and what can be said of the folder afterwards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.text.demonstrations import Canary
from stages.text.packing import fill, place, rows_of, steps
from stages.text.shards import RowFiles, write_pieces
from stages.text.token_files import TokenFiles
from stages.text.tokenizer import Tokenizer

FOLDERS = ("train", "validation", "test", "domain/train", "domain/validation", "domain/test", "after_cutoff")
"""One for every split, with those of the domain apart."""

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


def piece_bytes(tokens: np.ndarray, length: np.ndarray, token_bytes: np.ndarray) -> np.ndarray:
    """UTF-8 bytes of the tokens that each piece predicts, all but its first; int64 [pieces], tokens end to end."""
    firsts, sizes = np.cumsum(length) - length, token_bytes[tokens]
    sizes[firsts] = 0
    return np.add.reduceat(sizes, firsts)


def write_token_folder(
    folder: Path,
    documents: pd.DataFrame,
    tokens: TokenFiles,
    tokenizer: Tokenizer,
    context_length: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pack documents into rows shuffled by `generator`, write them, and return the pieces (`PIECE_SCHEMA`).

    `documents` has the columns id, source, kind, copies (how often each is put in), and where its tokens are: file,
    begin and size. The rows are written from front to back, and few of either are in memory.
    """
    table = documents.sort_values("id", kind="stable")
    copies = table["copies"].to_numpy()
    of_place = np.repeat(np.arange(len(table)), copies)
    file, begin, size = (table[name].to_numpy(np.int64)[of_place] for name in ("file", "begin", "size"))
    places = place(size, context_length, generator)
    file, begin = file[places.document], begin[places.document] + places.offset
    sizes = np.zeros(len(file), dtype=np.int64)

    def read(some: np.ndarray) -> np.ndarray:
        return tokens.read(file[some], begin[some], places.length[some])

    with RowFiles(folder, rows_of(places), context_length, tokens.id_type) as files:
        for block in fill(read, places, context_length, tokenizer.pad):
            files.append(block.rows, block.segments)
            sizes[block.pieces] = piece_bytes(block.tokens, places.length[block.pieces], tokenizer.token_bytes())
    origin = table[list(ORIGIN)].iloc[of_place[places.document]].reset_index(drop=True)
    pieces = origin.rename(columns={"id": "document_id"}).assign(
        copy=steps(copies)[places.document],
        row=places.row,
        start=places.start,
        length=places.length,
        offset=places.offset,
        bytes=sizes,
    )
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

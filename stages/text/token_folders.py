"""Documents as tokens into a token folder, and what can be said of the folder afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.text.demonstrations import Canary
from stages.text.encoder import Encoder
from stages.text.packing import lay_out, pack
from stages.text.shards import write_rows
from stages.text.tokenizer import Tokenizer

FOLDERS = ("train", "validation", "test", "domain/train", "domain/validation", "domain/test", "after_cutoff")
"""One for every split, with those of the domain apart."""

MOST_IDS = 2**16
"""Ids that the shards' uint16 can tell apart."""

CANARY = "canary"
"""Source and kind of the canaries among the documents of `train/`."""


@dataclass(frozen=True)
class EncodedDocument:
    """A document as tokens."""

    id: str
    source: str
    kind: str
    copies: int
    """How often it is put into its folder."""
    tokens: np.ndarray
    """uint16, from bos to end."""


def folder_of(split: str, source: str, domain_sources: Sequence[str]) -> str:
    """The token folder of a document."""
    return f"domain/{split}" if source in domain_sources and split != "after_cutoff" else split


def canary_documents(canaries: Sequence[Canary], encoder: Encoder) -> list[EncodedDocument]:
    """The canaries that are put in; those of no repeats are controls that the model never sees."""
    put_in = [canary for canary in canaries if canary.repeats > 0]
    found = encoder.encode([canary.text for canary in put_in]).documents()
    return [
        EncodedDocument(canary.id, CANARY, CANARY, canary.repeats, tokens)
        for canary, tokens in zip(put_in, found, strict=True)
    ]


def write_token_folder(
    folder: Path,
    documents: Sequence[EncodedDocument],
    tokenizer: Tokenizer,
    context_length: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Pack documents into rows shuffled by `generator`, write them, and return the pieces (`PIECE_SCHEMA`)."""
    placed = [(document, copy) for document in documents for copy in range(document.copies)]
    placed.sort(key=lambda entry: (entry[0].id, entry[1]))
    tokens = [document.tokens for document, _ in placed]
    pieces = pack([len(document) for document in tokens], context_length, generator)
    token_bytes = tokenizer.token_bytes()
    table = pd.DataFrame(
        {
            "document_id": [placed[piece.document][0].id for piece in pieces],
            "copy": [placed[piece.document][1] for piece in pieces],
            "source": [placed[piece.document][0].source for piece in pieces],
            "kind": [placed[piece.document][0].kind for piece in pieces],
            "row": [piece.row for piece in pieces],
            "start": [piece.start for piece in pieces],
            "length": [piece.length for piece in pieces],
            "offset": [piece.offset for piece in pieces],
            "bytes": [
                int(token_bytes[tokens[piece.document][piece.offset + 1 : piece.offset + piece.length]].sum())
                for piece in pieces
            ],
        }
    )
    write_rows(folder, *lay_out(tokens, pieces, context_length, tokenizer.pad), table)
    return table


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

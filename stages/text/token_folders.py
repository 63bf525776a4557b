"""Documents as tokens into a token folder, and what can be said of the folder afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.text.demonstrations import Canary
from stages.text.encoder import Encoder
from stages.text.packing import fill, place
from stages.text.shards import write_rows
from stages.text.tokenizer import Tokenizer

FOLDERS = ("train", "validation", "test", "domain/train", "domain/validation", "domain/test", "after_cutoff")
"""One for every split, with those of the domain apart."""

MOST_IDS = 2**16
"""Ids that the shards' uint16 can tell apart."""

ORIGIN = ("id", "source", "kind")
"""What a piece keeps of its document."""

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
    ordered = sorted(documents, key=lambda document: document.id)
    of_place = np.repeat(np.arange(len(ordered)), [document.copies for document in ordered])
    copies = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(document.copies) for document in ordered)])
    tokens = np.concatenate([np.zeros(0, dtype=np.uint16), *(document.tokens for document in ordered)])
    sizes = np.array([len(document.tokens) for document in ordered], dtype=np.int64)
    starts = (np.cumsum(sizes) - sizes)[of_place]
    places = place(sizes[of_place], context_length, generator)
    first = starts[places.document] + places.offset
    passed = np.concatenate(([0], np.cumsum(tokenizer.token_bytes()[tokens])))
    names = {name: np.array([getattr(document, name) for document in ordered], dtype=object) for name in ORIGIN}
    table = pd.DataFrame(
        {
            "document_id": names["id"][of_place[places.document]],
            "copy": copies[places.document],
            "source": names["source"][of_place[places.document]],
            "kind": names["kind"][of_place[places.document]],
            "row": places.row,
            "start": places.start,
            "length": places.length,
            "offset": places.offset,
            "bytes": passed[first + places.length] - passed[first + 1],
        }
    )
    write_rows(folder, *fill(tokens, starts, places, context_length, tokenizer.pad), table)
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

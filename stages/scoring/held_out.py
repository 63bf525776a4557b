"""Documents to measure on, and which of them hold nothing but text that training has already seen."""

import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.seeding import key_hash
from stages.text.shards import TokenRows, documents

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that every step of the hash can be undone and no token is lost in it."""


def shuffled_documents(folder: Path, seed: int) -> list[np.ndarray]:
    """The documents of a token folder that predict anything, each once, in the order of a hash of their ids."""
    distinct = {document_id: tokens for document_id, tokens in documents(folder) if len(tokens) > 1}
    return [distinct[name] for name in sorted(distinct, key=lambda name: (key_hash(seed, "measure", name), name))]


def stretches(folder: Path, rows: np.ndarray) -> list[np.ndarray]:
    """The parts of documents that lie in the given rows, neighbouring pieces joined, copies of a document left out."""
    loaded = TokenRows.load(folder)
    is_read = np.zeros(len(loaded.rows), dtype=bool)
    is_read[rows] = True
    pieces = loaded.pieces[is_read[loaded.pieces["row"]]].drop_duplicates(["document_id", "offset"])
    tokens = np.asarray(loaded.rows)
    parts: list[list[np.ndarray]] = []
    end = None
    places = zip(*(pieces[name] for name in ("document_id", "offset", "length", "row", "start")), strict=True)
    for document_id, offset, length, row, start in places:
        piece = tokens[row, start : start + length]
        if (document_id, offset) == end:
            parts[-1].append(piece[1:])  # the token that neighbours share
        else:
            parts.append([piece])
        end = (document_id, offset + length - 1)
    return [np.concatenate(part) for part in parts]


def within(documents: Sequence[np.ndarray], max_tokens: int) -> list[np.ndarray]:
    """The first documents that together hold at most `max_tokens`; at least one if there is any."""
    held = np.cumsum([len(document) for document in documents])
    return list(documents[: max(1, int((held <= max_tokens).sum()))])


def window_hashes(tokens: np.ndarray, order: int) -> np.ndarray:
    """64-bit hashes of every window of `order` tokens; empty for fewer tokens than that."""
    count = max(len(tokens) - order + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(order):
        hashes = (hashes ^ tokens[offset : offset + count].astype(np.uint64)) * MULTIPLIER
        hashes ^= hashes >> np.uint64(29)
    return hashes


def overlaps(tested: Sequence[np.ndarray], trained: np.ndarray, order: int) -> np.ndarray:
    """Share of each document's n-grams that occur in the training tokens; NaN for one too short to have any.

    Documents begin and end with a control token, which is no part of an n-gram here, so that n-grams across
    documents of `trained`, which lie end to end, match nothing.
    """
    seen = np.sort(window_hashes(trained, order))
    shares = np.full(len(tested), np.nan)
    for index, document in enumerate(tested):
        hashes = window_hashes(document[1:-1], order)
        if len(hashes):
            places = np.minimum(np.searchsorted(seen, hashes), len(seen) - 1)
            shares[index] = (seen[places] == hashes).mean()
    return shares


def compressed_bits(text: bytes) -> int:
    """Size of a text under `xz -9`, in bits."""
    return 8 * len(lzma.compress(text, preset=9))

"""What nothing was trained on or chosen by: documents, which of them are new, prompts and rankings."""

import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import Field

from stages.parameters import Section
from stages.preferences.records import Preference
from stages.seeding import key_hash
from stages.text.demonstrations import Prompt
from stages.text.records import read_records
from stages.text.shards import TokenRows, documents

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that every step of the hash can be undone and no token is lost in it."""

Tested = TypeVar("Tested", Prompt, Preference)


class HeldOutSettings(Section):
    """How many documents are measured on, and which of them count as new."""

    max_tokens: int = Field(gt=0)
    """Tokens of the test documents, and of the domain's, that are measured on."""
    max_overlap: float = Field(ge=0, le=1)
    """A test document is new if less than this share of its n-grams occurs in the training part."""
    overlap_order: int = Field(gt=0)
    """Tokens of such an n-gram; 13 as in Brown et al. 2020, appendix C."""


@dataclass(frozen=True)
class HeldOut:
    """Documents that are measured on."""

    test: Sequence[np.ndarray]
    """General documents, each from bos to end."""
    is_novel: np.ndarray
    """bool [test documents]: whether little enough of it also stands in the training part."""
    domain_test: Sequence[np.ndarray]


def read_tested(path: Path, record: type[Tested], seed: int) -> list[Tested]:
    """The records of the test split, in the order of a hash of their ids."""
    tested = [one for one in read_records(path, record) if one.split == "test"]
    return sorted(tested, key=lambda one: (key_hash(seed, one.id), one.id))


def held_out(train: Path, test: Path, domain_test: Path, settings: HeldOutSettings, seed: int) -> HeldOut:
    """The documents of the test folders to measure on, and which of the general ones are new beside `train`."""
    general, domain = (within(shuffled_documents(folder, seed), settings.max_tokens) for folder in (test, domain_test))
    trained = np.concatenate([tokens for _, tokens in documents(train)])
    # A document too short to hold an n-gram cannot be shown to be new; NaN compares as false.
    return HeldOut(general, overlaps(general, trained, settings.overlap_order) < settings.max_overlap, domain)


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

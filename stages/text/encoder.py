"""The fast way from texts to ids: by gigatoken, a compiled loop or the library, whichever knows the split pattern."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from stages.text.code_points import code_points
from stages.text.stretches import Splitting, splitting, utf8
from stages.text.token_kernels import encode_texts, fill_merges
from stages.text.tokenizer import TOKENIZER_FILE, Tokenizer, spelled_bytes

SLOTS = 2**20
"""Of the memory of an encoder: it knows the ids of half as many stretches at once, in 16 MB."""

KEPT = 2**23
"""Places, 2 bytes each, for stretches and ids too long for a slot."""


EDGES = 2
"""Ids that a document has beside its own: bos before them, end behind."""


class TokenArrays(NamedTuple):
    """Documents as ids, end to end."""

    ids: np.ndarray
    """Of the tokenizer's type, each document from bos to end."""
    starts: np.ndarray
    """Where each document begins and the last one ends, int64 [documents + 1]."""

    @classmethod
    def of(cls, documents: Sequence[np.ndarray], id_type: type[np.unsignedinteger[Any]]) -> "TokenArrays":
        """Those of the ids of each document."""
        starts = np.zeros(len(documents) + 1, dtype=np.int64)
        np.cumsum([len(document) for document in documents], out=starts[1:])
        return cls(np.concatenate([np.zeros(0, dtype=id_type), *documents]), starts)

    def documents(self) -> list[np.ndarray]:
        """The ids of each document."""
        return np.split(self.ids, self.starts[1:-1]) if len(self.starts) > 1 else []


class Encoder(Protocol):
    """Anything that encodes documents."""

    def encode(self, texts: Sequence[str]) -> TokenArrays:
        """The ids of each text between bos and end."""


class CompiledEncoder:
    """Ids by the loops of `token_kernels`, which remember what frequent stretches became: uint16 at most."""

    def __init__(self, saved: dict[str, Any], found: Splitting, tokenizer: Tokenizer) -> None:
        self._splitting, self._edges = found, (tokenizer.bos, tokenizer.end)
        vocabulary = saved["model"]["vocab"]
        self._byte_ids = np.array([vocabulary[spelled] for spelled in spelled_bytes()], dtype=np.int64)
        merges = saved["model"]["merges"]
        table = [(vocabulary[left], vocabulary[right], vocabulary[left + right]) for left, right in merges]
        self._pairs = np.full((2 ** (2 * len(table) + 1).bit_length(), 2), -1, dtype=np.int64)
        fill_merges(self._pairs, np.array(table, dtype=np.int64).reshape(-1, 3))
        self._memory = np.zeros((SLOTS, 2), dtype=np.uint64)
        self._kept = np.empty(KEPT, dtype=np.uint16)
        self._used = np.zeros(2, dtype=np.int64)

    def encode(self, texts: Sequence[str]) -> TokenArrays:
        """The ids of each text between bos and end."""
        joined = utf8([text.encode() for text in texts])
        memory = (self._memory, self._kept, self._used)
        return TokenArrays(*encode_texts(*joined, *self._splitting, self._byte_ids, self._pairs, *memory, self._edges))


class LibraryEncoder:
    """Ids by the library that the vocabulary is saved for: the reference, and the way for any split pattern."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> TokenArrays:
        """The ids of each text between bos and end."""
        coder = self._tokenizer
        encoded = coder.encode_batch([*texts])
        documents = [np.array([coder.bos, *ids, coder.end], dtype=coder.id_type) for ids in encoded]
        return TokenArrays.of(documents, coder.id_type)


@cache
def unassigned() -> np.ndarray:
    """Whether a code point is none of a character in this Python's version of Unicode, bool [code points]."""
    return np.array([unicodedata.category(chr(code)) == "Cn" for code in range(sys.maxunicode + 1)])


def all_assigned(text: str) -> bool:
    """Whether all libraries, whatever their versions of Unicode, see the same letters and numbers in the text."""
    return text.isascii() or not unassigned()[code_points(text)].any()


class GigatokenEncoder:
    """Ids by gigatoken, for the split patterns of well-known models; the fastest where it knows the pattern.

    Its Unicode is newer than that of the tokenizers library: a text with a character that may be new is encoded by
    `reference`. RuntimeError if it does not know the pattern.
    """

    def __init__(self, saved: dict[str, Any], reference: Encoder, tokenizer: Tokenizer) -> None:
        from gigatoken import Tokenizer as Gigatoken

        # It would read a control token that a text spells as the token itself; it now knows of none.
        self._tokenizer = Gigatoken.from_json(json.dumps(saved | {"added_tokens": []}))
        self._reference = reference
        self._edges, self._id_type = (tokenizer.bos, tokenizer.end), tokenizer.id_type

    def encode(self, texts: Sequence[str]) -> TokenArrays:
        """The ids of each text between bos and end."""
        is_known = [all_assigned(text) for text in texts]
        found = self._encode([text for text, known in zip(texts, is_known, strict=True) if known])
        if all(is_known):
            return found
        rest = self._reference.encode([text for text, known in zip(texts, is_known, strict=True) if not known])
        ours, theirs = iter(found.documents()), iter(rest.documents())
        return TokenArrays.of([next(ours if known else theirs) for known in is_known], self._id_type)

    def _encode(self, texts: list[str]) -> TokenArrays:
        rows = self._tokenizer.encode_batch(texts, parallel=False).layout
        starts = rows.offsets.data + EDGES * np.arange(len(texts) + 1)
        ids = np.empty(starts[-1], dtype=self._id_type)
        is_edge = np.zeros(len(ids), dtype=bool)
        for edge, places in zip(self._edges, (starts[:-1], starts[1:] - 1), strict=True):
            ids[places] = edge
            is_edge[places] = True
        ids[~is_edge] = rows.content.data
        return TokenArrays(ids, starts)


def split_pattern(saved: dict[str, Any]) -> str | None:
    """The expression by which a tokenizer splits text into stretches of bytes; None if it does something else too."""
    match (saved["pre_tokenizer"] or {}).get("pretokenizers"):
        case [
            {"type": "Split", "pattern": {"Regex": str(expression)}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ] if saved["normalizer"] is None:
            return expression
    return None


def fastest(folder: Path) -> Encoder:
    """The fastest encoder for the tokenizer in `folder`."""
    saved, coder = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8")), Tokenizer.load(folder)
    library, expression = LibraryEncoder(coder), split_pattern(saved)
    if expression is None:
        return library
    try:
        return GigatokenEncoder(saved, library, coder)
    except RuntimeError:  # the only sign that it does not know the split pattern
        found = splitting(expression)
        has_short_ids = coder.id_type is np.uint16 and not saved["model"]["ignore_merges"]
        return CompiledEncoder(saved, found, coder) if found is not None and has_short_ids else library

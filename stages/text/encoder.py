"""The fast way from texts to ids: one compiled loop where the split pattern has one, else the library's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from stages.text.stretches import Splitting, splitting, utf8
from stages.text.token_kernels import encode_texts, fill_merges
from stages.text.tokenizer import SPECIAL_TOKENS, TOKENIZER_FILE, Tokenizer, spelled_bytes

SLOTS = 2**20
"""Of the memory of an encoder: it knows the ids of half as many stretches at once, in 16 MB."""

KEPT = 2**23
"""Places, 2 bytes each, for stretches and ids too long for a slot."""


EDGES = (SPECIAL_TOKENS.index("<|bos|>"), SPECIAL_TOKENS.index("<|end|>"))
"""Ids before and behind a document's own."""


class TokenArrays(NamedTuple):
    """Documents as ids, end to end."""

    ids: np.ndarray
    """uint16, each document from bos to end."""
    starts: np.ndarray
    """Where each document begins and the last one ends, int64 [documents + 1]."""

    def documents(self) -> list[np.ndarray]:
        """The ids of each document."""
        return np.split(self.ids, self.starts[1:-1]) if len(self.starts) > 1 else []


class Encoder(Protocol):
    """Anything that encodes documents."""

    def encode(self, texts: Sequence[str]) -> TokenArrays:
        """The ids of each text between bos and end."""


class CompiledEncoder:
    """Ids by the loops of `token_kernels`, which remember what frequent stretches became."""

    def __init__(self, saved: dict[str, Any], found: Splitting) -> None:
        self._splitting = found
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
        return TokenArrays(*encode_texts(*joined, *self._splitting, self._byte_ids, self._pairs, *memory, EDGES))


class LibraryEncoder:
    """Ids by the library that the vocabulary is saved for: the reference, and the way for any split pattern."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> TokenArrays:
        """The ids of each text between bos and end."""
        first, last = EDGES
        documents = [np.array([first, *ids, last], dtype=np.uint16) for ids in self._tokenizer.encode_batch([*texts])]
        starts = np.zeros(len(documents) + 1, dtype=np.int64)
        np.cumsum([len(document) for document in documents], out=starts[1:])
        return TokenArrays(np.concatenate([np.zeros(0, dtype=np.uint16), *documents]), starts)


def fastest(folder: Path) -> Encoder:
    """The fastest encoder for the tokenizer in `folder`."""
    saved = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    found = splitting(saved["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"])
    return LibraryEncoder(Tokenizer.load(folder)) if found is None else CompiledEncoder(saved, found)

"""How often each stretch comes in a corpus: all that learning a vocabulary needs, however long the corpus is."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from stages.text.stretches import Bytes, splitting, utf8
from stages.text.token_kernels import count_stretches, stretch_ends

BATCH_BYTES = 1_000_000
"""Of texts that are counted at once."""

_SLOTS = 2**16


class StretchCounts:
    """A count, int64, for each different stretch, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._known = 0
        self._table = np.zeros(_SLOTS, dtype=np.int64)
        self._counts = np.zeros(_SLOTS // 2, dtype=np.int64)
        self._places = np.zeros(_SLOTS // 2 + 1, dtype=np.int64)
        self._kept = np.zeros(_SLOTS, dtype=np.uint8)

    def __len__(self) -> int:
        return self._known

    @property
    def stretches(self) -> Bytes:
        """The stretches end to end."""
        size = int(self._places[self._known])
        return utf8([self._kept[:size].tobytes()])._replace(starts=self._places[: self._known + 1])

    @property
    def counts(self) -> np.ndarray:
        """How often each comes, int64 [stretches]."""
        return self._counts[: self._known]

    def add(self, joined: Bytes, ends: np.ndarray, weights: np.ndarray) -> None:
        """Count stretches of `joined` that end at `ends`, each as often as `weights`, int64, says."""
        self._make_room(len(ends), len(joined.data))
        state = (self._table, self._counts, self._places, self._kept, self._known)
        self._known = count_stretches(joined.data, joined.wide, ends, weights, *state)

    def merge(self, other: Self) -> None:
        """Add what another has counted."""
        stretches = other.stretches
        self.add(stretches, stretches.starts[1:], other.counts)

    def _make_room(self, stretches: int, size: int) -> None:
        need = self._known + stretches
        if need > len(self._counts):
            grown = max(need, 2 * len(self._counts))
            self._counts = np.resize(self._counts, grown)
            self._places = np.resize(self._places, grown + 1)
        need_bytes = int(self._places[self._known]) + size
        if need_bytes > len(self._kept):
            self._kept = np.resize(self._kept, max(need_bytes, 2 * len(self._kept)))
        if 2 * need > len(self._table):
            known = self.stretches, self.counts.copy()
            self._table = np.zeros(2 ** (4 * need).bit_length(), dtype=np.int64)
            state = (self._table, self._counts, self._places, self._kept, 0)
            count_stretches(known[0].data, known[0].wide, known[0].starts[1:], known[1], *state)


def library_ends(texts: Sequence[bytes], split: Split) -> np.ndarray:
    """What `stretch_ends` gives, for a pattern without a compiled loop."""
    sizes = [len(stretch.encode()) for text in texts for stretch, _ in split.pre_tokenize_str(text.decode())]
    return np.cumsum(sizes, dtype=np.int64)


def batches(texts: Iterable[str]) -> Iterable[list[bytes]]:
    """Texts in their order as UTF-8, `BATCH_BYTES` at a time or one that is longer."""
    batch, size = list[bytes](), 0
    for text in texts:
        batch.append(text.encode())
        size += len(batch[-1])
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def count(texts: Iterable[str], split_pattern: str) -> StretchCounts:
    """The counts of texts that are read once, a batch at a time."""
    counts = StretchCounts()
    found = splitting(split_pattern)
    split = Split(Regex(split_pattern), behavior="isolated")
    for batch in batches(texts):
        joined = utf8(batch)
        ends = library_ends(batch, split) if found is None else stretch_ends(joined.data, joined.starts, *found)
        counts.add(joined, ends, np.ones(len(ends), dtype=np.int64))
    return counts

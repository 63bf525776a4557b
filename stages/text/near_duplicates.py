"""Near duplicates: hash functions of MinHash signatures, candidates by bands, similarity, clusters.

Broder 1997 for MinHash; bands and rows as in Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4.
A pair of similarity s becomes a candidate with probability 1 - (1 - s^rows)^bands.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from stages.seeding import generator
from stages.text.kernels import flatten, join_rows, shared_counts

_BLOCK_PAIRS = 65_536
_BLOCK_SHINGLES = 2**22
"""Most shingles of the pairs that are compared at a time: 32 MB."""


def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers (odd) and offsets, uint64 [count] each, of `count` hash functions."""
    drawn = generator(seed, "minhash").integers(0, 2**64, size=(2, count), dtype=np.uint64)
    return drawn[0] | np.uint64(1), drawn[1]


def midpoint(bands: int, rows: int) -> float:
    """The similarity about which pairs begin to become candidates: where the curve of their probability is steepest."""
    return float((1 / bands) ** (1 / rows))


def least_agreement(threshold: float, functions: int) -> float:
    """Share of a signature below which a similarity of `threshold` is out of the question.

    That is five standard deviations of what agreement estimates below the threshold.
    """
    return float(threshold - 5 * (threshold * (1 - threshold) / functions) ** 0.5)


class Rows:
    """Arrays of several parts as one, without joining them in memory; rows are numbered through all parts."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = parts
        self.firsts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def of_part(self, part: int) -> slice:
        """The numbers of a part's rows."""
        return slice(int(self.firsts[part]), int(self.firsts[part + 1]))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """A copy of some rows."""
        result = np.empty((len(rows), *self.parts[0].shape[1:]), dtype=self.parts[0].dtype)
        owners = np.searchsorted(self.firsts, rows, side="right") - 1
        order = np.argsort(owners, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
            if len(here):
                part = owners[here[0]]
                result[here] = self.parts[part][rows[here] - self.firsts[part]]
        return result


def pair_blocks(pairs: np.ndarray, sizes: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Pairs, int64 [pairs, 2], in their order, as many as are compared at a time; `sizes` are the shingles of each."""
    weights = np.full(len(pairs), _BLOCK_SHINGLES // _BLOCK_PAIRS) if sizes is None else sizes
    blocks = np.cumsum(weights) // _BLOCK_SHINGLES
    if len(pairs):
        yield from np.split(pairs, np.flatnonzero(np.diff(blocks)) + 1)


def agreement(pairs: np.ndarray, signatures: Rows) -> np.ndarray:
    """Share of places in which the signatures of two rows agree, float64 [pairs]: an estimate of their similarity."""
    some = [
        np.mean(signatures.take(block[:, 0]) == signatures.take(block[:, 1]), axis=1) for block in pair_blocks(pairs)
    ]
    return np.concatenate([np.empty(0), *some])


class Shingles(NamedTuple):
    """The shingles of some rows, in files."""

    rows: np.ndarray
    """Ascending."""
    starts: np.ndarray
    """Where those of each row begin, int64 [rows + 1]."""
    values: Rows

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The shingles of ascending `rows` end to end, and where each row's begin."""
        places = np.searchsorted(self.rows, rows)
        sizes = self.starts[places + 1] - self.starts[places]
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        shifts = np.repeat(self.starts[places] - bounds[:-1], sizes)
        return self.values.take(np.arange(bounds[-1]) + shifts), bounds

    def sizes(self, pairs: np.ndarray) -> np.ndarray:
        """The shingles of both rows of each pair."""
        places = np.searchsorted(self.rows, pairs)
        return (self.starts[places + 1] - self.starts[places]).sum(axis=1)


def jaccard(pairs: np.ndarray, shingles: Shingles) -> np.ndarray:
    """Share of shingles that two rows have in common, float64 [pairs]; 0 if they have none."""
    result = [np.empty(0)]
    for block in pair_blocks(pairs, shingles.sizes(pairs)):
        rows, places = np.unique(block, return_inverse=True)
        values, starts = shingles.of(rows)
        ones, others = places.reshape(-1, 2).T
        shared = shared_counts(values, starts, np.ascontiguousarray(ones), np.ascontiguousarray(others))
        sizes = np.diff(starts)
        result.append(shared / np.maximum(sizes[ones] + sizes[others] - shared, 1))
    return np.concatenate(result)


class Forest:
    """Rows joined into clusters, each known by its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.int64)

    def join(self, pairs: np.ndarray) -> None:
        """Put the rows of each pair, int64 [pairs, 2], into one cluster."""
        join_rows(self._parent, np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))

    def clusters(self) -> np.ndarray:
        """The smallest member of each row's cluster, int64 [rows]."""
        flatten(self._parent)
        return self._parent

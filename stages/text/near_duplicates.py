"""Near duplicates: MinHash signatures, candidates by bands, exact Jaccard similarity, clusters.

Broder 1997 for MinHash; bands and rows as in Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4.
A pair of similarity s becomes a candidate with probability 1 - (1 - s^rows)^bands.
"""

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from stages.seeding import generator
from stages.text.kernels import MULTIPLIER

_BATCH = 2_048
"""Pairs compared at a time."""

_LARGE_BUCKET = 200
"""Beyond this, pairs grow too fast; such a bucket holds copies of one text, which the first joins anyway."""


def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers (odd) and offsets, uint64 [count] each, of `count` hash functions."""
    drawn = generator(seed, "minhash").integers(0, 2**64, size=(2, count), dtype=np.uint64)
    return drawn[0] | np.uint64(1), drawn[1]


def candidate_pairs(signatures: np.ndarray, bands: int, threshold: float) -> np.ndarray:
    """Pairs of rows that agree in all columns of at least one band, int64 [pairs, 2], ascending.

    Left out are pairs whose signatures agree too little for a similarity of `threshold`: by more than five standard
    deviations of what agreement estimates.
    """
    rows, functions = signatures.shape
    codes = [_bucket_pairs(band) @ [rows, 1] for band in np.split(signatures, bands, axis=1)]
    found = np.stack(np.divmod(np.unique(np.concatenate(codes)), rows), axis=1)
    lowest = threshold - 5 * (threshold * (1 - threshold) / functions) ** 0.5
    agreement = [np.mean(signatures[some[:, 0]] == signatures[some[:, 1]], axis=1) for some in _chunks(found)]
    return found[np.concatenate([np.empty(0), *agreement]) >= lowest]


def _chunks(pairs: np.ndarray) -> Iterator[np.ndarray]:
    return (pairs[start : start + _BATCH] for start in range(0, len(pairs), _BATCH))


def _bucket_pairs(band: np.ndarray) -> np.ndarray:
    """All pairs of rows with the same band; in a very large bucket, each row with the first and the one before it."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = (keys ^ column) * MULTIPLIER
    order = np.argsort(keys, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(keys[order])) + 1, [len(keys)]])
    shared = np.flatnonzero(np.diff(starts) > 1)  # most rows are alone in their bucket
    pairs = [_pairs_within(order[starts[bucket] : starts[bucket + 1]]) for bucket in shared]
    return np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])


@cache
def _places_of_pairs(size: int) -> tuple[np.ndarray, ...]:
    return np.triu_indices(size, k=1)


def _pairs_within(rows: np.ndarray) -> np.ndarray:
    if len(rows) > _LARGE_BUCKET:
        first = np.full(len(rows) - 1, rows[0])
        return np.concatenate([np.stack([first, rows[1:]], axis=1), np.stack([rows[:-1], rows[1:]], axis=1)])
    one, other = _places_of_pairs(len(rows))
    return np.stack([rows[one], rows[other]], axis=1)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Share of shingles that two texts have in common, 0 if they have none; arrays as `shingles` gives them."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(len(one) + len(other) - shared, 1)


def clusters(size: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The smallest member of each row's cluster, for `size` rows joined by `pairs`."""
    parent = list(range(size))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return [root(row) for row in range(size)]

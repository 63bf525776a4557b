"""Interpolated modified Kneser-Ney n-gram models over token ids: the baseline that a small decoder has to beat.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling", section 4.1. Tables are
sorted arrays: an n-gram's number is its place among the distinct ones of its order, and its key is made of the number
of its context and of its last token. Counting is one sort per order, looking up a binary search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

FALLBACK_DISCOUNTS = np.array([0.0, 0.5, 1.0, 1.5])
"""Where too few counts of counts are known to estimate them, as in KenLM (Heafield et al. 2013)."""

ABSENT = -1
"""The number of an n-gram that was never counted."""


@dataclass(frozen=True)
class Stream:
    """Documents laid end to end."""

    tokens: np.ndarray
    """int64 [tokens]"""
    positions: np.ndarray
    """int64 [tokens]: place in the document; the first token is given and never predicted."""
    starts: np.ndarray
    """int64 [documents]: where each document begins."""

    @classmethod
    def of(cls, documents: Sequence[np.ndarray]) -> Self:
        """The stream of documents, none of them empty."""
        lengths = np.array([len(document) for document in documents], dtype=np.int64)
        starts = np.cumsum(lengths) - lengths
        return cls(
            np.concatenate([np.empty(0, np.int64), *documents]).astype(np.int64),
            np.arange(lengths.sum()) - np.repeat(starts, lengths),
            starts,
        )


@dataclass(frozen=True)
class Counts:
    """The distinct n-grams of one order, sorted by context, then by last token."""

    keys: np.ndarray
    """uint64: number of the context in the order below, times the vocabulary, plus the last token."""
    occurrences: np.ndarray
    continuations: np.ndarray
    """How many different tokens stood before each; its occurrences where it begins a document and none can."""


def _keys(contexts: np.ndarray, tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    return contexts.astype(np.uint64) * np.uint64(vocabulary) + tokens.astype(np.uint64)


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct keys in order, how often each occurs, a place where it does, and the number of each key given."""
    order = np.argsort(keys)
    ordered = keys[order]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    firsts = np.flatnonzero(is_first)
    numbers = np.empty(len(keys), dtype=np.int64)
    numbers[order] = np.cumsum(is_first) - 1
    return ordered[firsts], np.diff(firsts, append=len(keys)), order[firsts], numbers


def count(stream: Stream, order: int, vocabulary: int) -> list[Counts]:
    """The n-grams of orders 1 to `order`; order 1 has every token of the vocabulary, seen or not."""
    tables = []
    keys = np.arange(vocabulary, dtype=np.uint64)
    occurrences = np.bincount(stream.tokens[stream.positions > 0], minlength=vocabulary)
    numbers = stream.tokens
    for n in range(2, order + 1):
        ends = np.flatnonzero(stream.positions >= n - 1)
        longer = _distinct(_keys(numbers[ends - 1], stream.tokens[ends], vocabulary))
        # Without its first token, an n-gram is the (n-1)-gram that ends at the same place.
        continuations = np.bincount(numbers[ends[longer[2]]], minlength=len(keys))
        initial = numbers[stream.positions == n - 2]
        continuations[initial] = occurrences[initial]
        tables.append(Counts(keys, occurrences, continuations))
        keys, occurrences = longer[:2]
        numbers = np.full(len(stream.tokens), ABSENT)
        numbers[ends] = longer[3]
    return [*tables, Counts(keys, occurrences, occurrences)]


def discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken off a count of 0, 1, 2, and 3 or more (Chen and Goodman 1999, equation 26)."""
    ones, twos, threes, fours = (int((counts == value).sum()) for value in (1, 2, 3, 4))
    if 0 in (ones, twos, threes, fours):
        return FALLBACK_DISCOUNTS
    scale = ones / (ones + 2 * twos)
    estimated = np.array(
        [0, 1 - 2 * scale * twos / ones, 2 - 3 * scale * threes / twos, 3 - 4 * scale * fours / threes]
    )
    return estimated if (estimated[1:] > 0).all() else FALLBACK_DISCOUNTS


@dataclass(frozen=True)
class Level:
    """One order of a model, ready to be looked up."""

    keys: np.ndarray
    discounted: np.ndarray
    """Count less discount of each n-gram."""
    totals: np.ndarray
    """Sum of the counts after each context; 1 after one that nothing followed."""
    backoff: np.ndarray
    """Share of the probability after each context that the order below gives out."""

    @classmethod
    def of(cls, keys: np.ndarray, counts: np.ndarray, contexts: int, vocabulary: int) -> Self:
        """The level of n-grams with the given counts after so many contexts."""
        taken = discounts(counts)[np.minimum(counts, 3)]
        context = (keys // np.uint64(vocabulary)).astype(np.int64)
        totals = np.bincount(context, weights=counts, minlength=contexts)
        given_out = np.bincount(context, weights=taken, minlength=contexts)
        is_followed = totals > 0
        return cls(
            keys,
            counts - taken,
            np.where(is_followed, totals, 1.0),
            np.where(is_followed, given_out / np.where(is_followed, totals, 1.0), 1.0),
        )


@dataclass(frozen=True)
class KneserNey:
    """A model of the orders 1 to n; below the first stands the uniform distribution over the vocabulary."""

    levels: list[Level]
    vocabulary: int

    @classmethod
    def of(cls, tables: Sequence[Counts], vocabulary: int) -> Self:
        """The model whose order is the number of tables: occurrences at the top, continuations below it."""
        *lower, top = tables
        counts = [*(table.continuations for table in lower), top.occurrences]
        contexts = [1, *(len(table.keys) for table in lower)]
        levels = [
            Level.of(table.keys, values, before, vocabulary)
            for table, values, before in zip(tables, counts, contexts, strict=True)
        ]
        return cls(levels, vocabulary)

    def log_probabilities(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Nats of every token but the first of each document, given those before it."""
        stream = Stream.of(documents)
        logarithms = np.log(self._probabilities(stream))
        return [part[1:] for part in np.split(logarithms, stream.starts[1:])]

    def _probabilities(self, stream: Stream) -> np.ndarray:
        """Probability of each token; without meaning for a document's first."""
        probabilities = np.full(len(stream.tokens), 1 / self.vocabulary)
        contexts = np.zeros(len(stream.tokens), dtype=np.int64)
        for n, level in enumerate(self.levels, start=1):
            known = np.flatnonzero((stream.positions >= n - 1) & (contexts != ABSENT))
            context = contexts[known]
            keys = _keys(context, stream.tokens[known], self.vocabulary)
            places = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            is_seen = level.keys[places] == keys
            kept = np.where(is_seen, level.discounted[places], 0.0) / level.totals[context]
            probabilities[known] = kept + level.backoff[context] * probabilities[known]
            numbers = np.full(len(stream.tokens), ABSENT)
            numbers[known[is_seen]] = places[is_seen]
            contexts = np.concatenate([[ABSENT], numbers[:-1]])
        return probabilities

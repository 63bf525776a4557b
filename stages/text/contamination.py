"""Which training texts give away an evaluation item: by word n-grams that they share with it.

Two rules, both on words in normal form, so that line ends, capitals and punctuation hide nothing: a shared run of many
words (13 in Brown et al. 2020, GPT-3, appendix C), and for short items the share of their shorter runs that one text
holds (8 words in Lambert et al. 2024, Tulu 3, section 3.2). Runs that are common in the training texts say nothing and
are ignored by both.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from stages.text.kernels import ngrams
from stages.text.word_hashes import word_hashes

_BATCH = 500
"""Texts looked through at a time."""


class Verdict(NamedTuple):
    """The rule by which a text gives something away."""

    rule: str
    value: float
    threshold: float


class Index:
    """The n-grams of one length of a sequence of items."""

    def __init__(self, items: Iterable[np.ndarray], length: int) -> None:
        self.length = length
        grams = [np.unique(ngrams(hashes, length)) for hashes in items]
        self.item_sizes = np.array([len(found) for found in grams], dtype=np.int64)
        """Different n-grams of each item."""
        owners = np.repeat(np.arange(len(grams)), self.item_sizes)
        flat = np.concatenate([np.empty(0, dtype=np.uint64), *grams])
        order = np.argsort(flat, kind="stable")
        self._grams, starts = np.unique(flat[order], return_index=True)
        self._items_of_gram = np.split(owners[order], starts[1:])

    def __len__(self) -> int:
        return len(self._grams)

    def hits(self, texts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Which n-grams of the index are in each text, as ascending numbers from 0.

        Texts are looked through as one, for most are short: a call for each would take longer than the search.
        """
        if not len(self) or not texts:
            return [np.empty(0, dtype=np.int64)] * len(texts)
        owners = np.repeat(np.arange(len(texts)), [len(hashes) for hashes in texts])
        grams = ngrams(np.concatenate(texts), self.length)
        within_one = owners[: len(grams)] == owners[len(owners) - len(grams) :]
        places = np.searchsorted(self._grams, grams).clip(max=len(self) - 1)
        found = within_one & (self._grams[places] == grams)
        owners, places = np.divmod(np.unique(owners[: len(grams)][found] * len(self) + places[found]), len(self))
        bounds = np.searchsorted(owners, np.arange(len(texts) + 1))
        return [places[start:end] for start, end in pairwise(bounds)]

    def coverage(self, hits: np.ndarray) -> float:
        """The largest share of one item's n-grams among `hits`."""
        if not len(hits):
            return 0.0
        items = np.concatenate([self._items_of_gram[hit] for hit in hits])
        return float((np.bincount(items) / self.item_sizes[: items.max() + 1].clip(min=1)).max())


def rare_hits(hits: Sequence[np.ndarray], size: int, common_texts: int) -> list[np.ndarray]:
    """The hits of each text without the n-grams that more than `common_texts` of the texts hold."""
    frequency = np.bincount(np.concatenate([np.empty(0, dtype=np.int64), *hits]), minlength=size)
    return [found[frequency[found] <= common_texts] for found in hits]


def _batches(hashed: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    remaining = iter(hashed)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def verdicts(
    texts: Iterable[str],
    items: Sequence[str],
    *,
    long_words: int,
    short_words: int,
    min_coverage: float,
    common_texts: int,
) -> list[Verdict | None]:
    """For each training text, how it gives away one of `items`; None if it does not."""
    hashed_items = [word_hashes(item) for item in items]
    long_index, short_index = Index(hashed_items, long_words), Index(hashed_items, short_words)
    found: dict[Index, list[np.ndarray]] = {long_index: [], short_index: []}
    for batch in _batches(map(word_hashes, texts)):
        for index, hits in found.items():
            hits += index.hits(batch)
    long_hits, short_hits = (rare_hits(hits, len(index), common_texts) for index, hits in found.items())
    result: list[Verdict | None] = []
    for long_found, short_found in zip(long_hits, short_hits, strict=True):
        coverage = short_index.coverage(short_found)
        if len(long_found):
            result.append(Verdict("shared_ngram", float(len(long_found)), 1.0))
        elif coverage >= min_coverage:
            result.append(Verdict("item_coverage", coverage, min_coverage))
        else:
            result.append(None)
    return result

"""Which training texts give away an evaluation item: by word n-grams that they share with it.

Two rules, both on words in normal form, so that line ends, capitals and punctuation hide nothing: a shared run of many
words (13 in Brown et al. 2020, GPT-3, appendix C), and for short items the share of their shorter runs that one text
holds (8 words in Lambert et al. 2024, Tulu 3, section 3.2). Runs that are common in the training texts say nothing and
are ignored by both.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.text.code_points import Texts, alphabet
from stages.text.comparable import read_batches, whole_texts
from stages.text.kernels import hash_texts, ngram_hits, ngrams, place_table
from stages.text.scratch_arrays import Form, open_arrays, write_arrays
from stages.text.word_hashes import word_hashes

HITS_VERSION = 1


class Verdict(NamedTuple):
    """The rule by which a text gives something away."""

    rule: str
    value: float
    threshold: float


class Limits(NamedTuple):
    """What counts as giving an item away."""

    long_words: int
    short_words: int
    min_coverage: float
    common_texts: int


class Hits(NamedTuple):
    """N-grams of an index that texts hold, each once for a text, ascending by text and n-gram."""

    texts: np.ndarray
    """int64."""
    grams: np.ndarray
    """Numbers of n-grams, from 0, int64."""

    def shifted(self, first: int) -> "Hits":
        """The hits of the same texts, numbered from `first`."""
        return Hits(self.texts + first, self.grams)


def _joined(hits: Sequence[Hits]) -> Hits:
    empty = np.empty(0, dtype=np.int64)
    return (
        Hits(*(np.concatenate([empty, *column]) for column in zip(*hits, strict=True))) if hits else Hits(empty, empty)
    )


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
        self._items, self._starts = owners[order], np.append(starts, len(flat))
        self._table = place_table(self._grams)

    def __len__(self) -> int:
        return len(self._grams)

    def found(self, hashes: np.ndarray, starts: np.ndarray) -> Hits:
        """What texts hold, given as hashes of words end to end and where those of each begin."""
        texts, places = ngram_hits(hashes, starts, self.length, self._grams, self._table)
        return Hits(*np.divmod(np.unique(texts * len(self) + places), max(len(self), 1)))

    def hits(self, texts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Which n-grams of the index are in each text, as ascending numbers from 0."""
        starts = np.concatenate([[0], np.cumsum([len(hashes) for hashes in texts], dtype=np.int64)])
        found = self.found(np.concatenate([np.empty(0, dtype=np.uint64), *texts]), starts)
        bounds = np.searchsorted(found.texts, np.arange(len(texts) + 1))
        return [found.grams[start:end] for start, end in pairwise(bounds)]

    def coverage(self, hits: np.ndarray) -> float:
        """The largest share of one item's n-grams among `hits`."""
        if not len(hits):
            return 0.0
        items = np.concatenate([self._items[self._starts[hit] : self._starts[hit + 1]] for hit in hits])
        return float((np.bincount(items) / self.item_sizes[: items.max() + 1].clip(min=1)).max())


class Indexes(NamedTuple):
    """The long and the short runs of all items."""

    long: Index
    short: Index

    @classmethod
    def of(cls, items: Sequence[str], limits: Limits) -> "Indexes":
        """Those of some items."""
        hashed = [word_hashes(item) for item in items]
        return cls(Index(hashed, limits.long_words), Index(hashed, limits.short_words))


class Found(NamedTuple):
    """What some texts hold of both indexes."""

    long: Hits
    short: Hits

    def frequencies(self, indexes: Indexes) -> list[np.ndarray]:
        """In how many of the texts each n-gram is, int64, of both indexes."""
        return [np.bincount(hits.grams, minlength=len(index)) for hits, index in zip(self, indexes, strict=True)]


def found_in(texts: Iterable[Texts], indexes: Indexes) -> Found:
    """What the texts hold; they are numbered through all batches."""
    known, found, first = alphabet(), [], 0
    for codes, starts in texts:
        hashes, bounds = hash_texts(codes, starts, known.classes, known.lower)
        found.append([index.found(hashes, bounds).shifted(first) for index in indexes])
        first += len(starts) - 1
    return Found(*(_joined([pair[which] for pair in found]) for which in range(2)))


def hits_form(limits: Limits) -> Form:
    """That of a file of hits."""
    return Form("hits", HITS_VERSION, limits._asdict())


def scan_part(part: Path, wanted: np.ndarray, output: Path, indexes: Indexes, limits: Limits) -> None:
    """Write what the `wanted` documents (bool) of a part hold of the items; texts are numbered by row of the part."""

    def texts() -> Iterator[Texts]:
        first = 0
        for batch in read_batches(part, ["text"]):
            yield whole_texts(batch["text"].take(np.flatnonzero(wanted[first : first + len(batch)])))
            first += len(batch)

    rows = np.flatnonzero(wanted)
    long, short = found_in(texts(), indexes)
    arrays = {
        "long_rows": [rows[long.texts]],
        "long_grams": [long.grams],
        "short_rows": [rows[short.texts]],
        "short_grams": [short.grams],
    }
    write_arrays(output, hits_form(limits), arrays)


def read_hits(path: Path, limits: Limits) -> Found:
    """What `scan_part` wrote."""
    stored = open_arrays(path, hits_form(limits))
    return Found(*(Hits(stored[f"{which}_rows"], stored[f"{which}_grams"]) for which in ("long", "short")))


def judged(found: Found, indexes: Indexes, frequencies: Sequence[np.ndarray], limits: Limits) -> dict[int, Verdict]:
    """By text, how it gives away an item; texts that do not are left out."""
    (long, _), short = (
        Hits(hits.texts[is_rare], hits.grams[is_rare])
        for hits, frequency in zip(found, frequencies, strict=True)
        for is_rare in [frequency[hits.grams] <= limits.common_texts]
    )
    texts, counts = np.unique(long, return_counts=True)
    verdicts = {
        text: Verdict("shared_ngram", float(count), 1.0)
        for text, count in zip(texts.tolist(), counts.tolist(), strict=True)
    }
    texts, starts = np.unique(short.texts, return_index=True)
    for text, grams in zip(texts.tolist(), np.split(short.grams, starts[1:]), strict=False):
        coverage = indexes.short.coverage(grams)
        if text not in verdicts and coverage >= limits.min_coverage:
            verdicts[text] = Verdict("item_coverage", coverage, limits.min_coverage)
    return verdicts

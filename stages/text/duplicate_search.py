"""Which documents of a corpus are duplicates of each other, with memory for numbers but not for texts.

What belongs to each part and each partition is a pure function of files; what is here goes through them in order.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.progress import Progress
from stages.text import band_join
from stages.text import signatures as signatures_file
from stages.text.band_join import candidate_pairs, join_partition, partitions_of, write_bands
from stages.text.near_duplicates import Forest, Rows, Shingles, agreement, jaccard
from stages.text.scratch_arrays import open_arrays, write_arrays
from stages.text.signatures import Shape, shingle_part

DOCUMENT_BYTES = 300
"""Memory for a document beside its signature, as measured with a million of them."""
JOINED_BYTES = 2**28
"""Memory for a batch of texts and a partition of bands, whatever the number of documents."""

Similarity = Callable[[np.ndarray], np.ndarray]
"""From pairs of rows, int64 [pairs, 2], to how similar they are, float64 [pairs]."""


class Signed(NamedTuple):
    """What is known of every document after the first pass."""

    files: list[Path]
    """Of `sign_part`, one for each part."""
    signatures: Rows
    first: np.ndarray
    """The first row with the same content, int64."""
    characters: np.ndarray
    """Of the whole text, int64."""
    has_words: np.ndarray
    """bool; a text without words is like no other."""

    @property
    def is_repeat(self) -> np.ndarray:
        """Whether a row's content has come before, bool."""
        return np.asarray(self.first != np.arange(len(self.first)))


class Duplicates(NamedTuple):
    """Clusters, a value for each row."""

    cluster: np.ndarray
    """The smallest row of its cluster."""
    highest: np.ndarray
    """The highest similarity to another row of its cluster that was measured; 0 if none was."""
    checked: int
    """Pairs whose similarity was measured."""
    false: int
    """Of these, those below the threshold."""


def needed_disk(documents: int, shape: Shape) -> int:
    """Bytes that signatures and bands take; what the few candidates add depends on how many there are."""
    signatures = 4 * shape.functions + signatures_file.RECORD_BYTES
    return documents * (signatures + shape.bands * band_join.RECORD_BYTES)


def needed_memory(documents: int, shape: Shape) -> int:
    """Bytes of memory that are taken at the most, of which the system can take back those of signatures."""
    return documents * (4 * shape.functions + DOCUMENT_BYTES) + JOINED_BYTES


def first_occurrences(content: np.ndarray) -> np.ndarray:
    """For each row of hashes, uint64 [rows, 2], the first row that is equal, int64."""
    order = np.lexsort((content[:, 1], content[:, 0]))
    ordered = content[order]
    is_new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])[: len(order)]
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[is_new][np.cumsum(is_new) - 1]
    return first


def signed_parts(files: Sequence[Path], shape: Shape) -> Signed:
    """What the files of `sign_part` say, one for each part in order."""
    stored = [open_arrays(file, shape.form("signatures")) for file in files]
    first = first_occurrences(np.concatenate([part["content"] for part in stored]))
    characters = np.concatenate([part["characters"] for part in stored])
    has_words = np.concatenate([part["words"] > 0 for part in stored])
    return Signed([*files], Rows([part["signature"] for part in stored]), first, characters, has_words)


def candidate_files(signed: Signed, folder: Path, shape: Shape, threshold: float) -> list[Path]:
    """Write the pairs that may be near duplicates, among the first rows of each content, as files of `pairs`."""
    partitions = partitions_of(len(signed.signatures), shape)
    compared = ~signed.is_repeat & signed.has_words
    bands = [folder / f"bands-{number:05d}" for number in range(len(signed.files))]
    for number, file in enumerate(signed.files):
        write_bands(file, compared[signed.signatures.of_part(number)], bands[number], shape, partitions)
    pairs = [folder / f"pairs-{number:05d}" for number in range(partitions)]
    firsts = signed.signatures.firsts[:-1].tolist()
    with Progress("deduplicate: candidates", partitions, "partition") as progress:
        for partition, file in enumerate(pairs):
            join_partition(bands, firsts, partition, file, shape, partitions)
            progress.update(partition + 1)
    found = []
    for number, block in enumerate(candidate_pairs(pairs, signed.signatures, shape, threshold)):
        found.append(folder / f"candidates-{number:05d}")
        write_arrays(found[-1], shape.form("candidates"), {"pairs": [block]})
    return found


def candidates(files: Sequence[Path], shape: Shape) -> Iterator[np.ndarray]:
    """The pairs of `candidate_files`, one file at a time."""
    return (open_arrays(file, shape.form("candidates"))["pairs"] for file in files)


def exact_similarity(
    parts: Sequence[Path], signed: Signed, files: Sequence[Path], folder: Path, shape: Shape
) -> Similarity:
    """The Jaccard similarity of pairs of candidates; reads the texts of candidates a second time."""
    is_wanted = np.zeros(len(signed.signatures), dtype=bool)
    for pairs in candidates(files, shape):
        is_wanted[pairs] = True
    stored = []
    for number, part in enumerate(parts):
        wanted = np.flatnonzero(is_wanted[signed.signatures.of_part(number)])
        if len(wanted):
            path = folder / f"shingles-{number:05d}"
            shingle_part(part, wanted, path, shape)
            stored.append(open_arrays(path, shape.form("shingles")))
    counts = np.concatenate([np.empty(0, np.int64), *(part["counts"] for part in stored)])
    starts = np.concatenate([[0], np.cumsum(counts)])
    shingles = Shingles(np.flatnonzero(is_wanted), starts, Rows([part["shingles"] for part in stored]))
    return partial(jaccard, shingles=shingles)


def estimated_similarity(signed: Signed) -> Similarity:
    """The share of agreeing places of two signatures; reads no text."""
    return partial(agreement, signatures=signed.signatures)


def duplicates(signed: Signed, pairs: Iterator[np.ndarray], similarity: Similarity, threshold: float) -> Duplicates:
    """Join rows of equal content, and pairs whose similarity reaches the threshold."""
    forest, highest = Forest(len(signed.first)), np.zeros(len(signed.first))
    repeats = np.flatnonzero(signed.is_repeat)
    forest.join(np.stack([signed.first[repeats], repeats], axis=1))
    highest[repeats] = highest[signed.first[repeats]] = 1.0
    checked = false = 0
    for some in pairs:
        values = similarity(some)
        near = some[values >= threshold]
        forest.join(near)
        np.maximum.at(highest, near, values[values >= threshold, np.newaxis])
        checked += len(some)
        false += len(some) - len(near)
    return Duplicates(forest.clusters(), highest, checked, false)


def similarity_to(rows: np.ndarray, others: np.ndarray, signed: Signed, similarity: Similarity) -> np.ndarray:
    """How similar each of the rows of clusters is to another one of its cluster, float64."""
    pairs = np.sort(np.stack([signed.first[rows], signed.first[others]], axis=1), axis=1)
    is_same = pairs[:, 0] == pairs[:, 1]
    result = signed.has_words[rows].astype(np.float64)
    result[~is_same] = similarity(pairs[~is_same])
    return result

"""Candidates for near duplicates: bands of signatures in files, joined one range of their hashes after another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stages.text.kernels import band_keys, bucket_pairs, may_be_shared
from stages.text.near_duplicates import Rows, agreement, least_agreement
from stages.text.scratch_arrays import Form, open_arrays, write_arrays
from stages.text.signatures import Shape

RECORD_BYTES = 12
"""Of one band of one document: its hash and the row."""

JOINED_RECORDS = 2**21
"""Records that are joined at a time, about: 80 MB with what sorting them takes."""

_RUN_DOCUMENTS = 2**15
_MERGED_PAIRS = 2**21
_ROW_BITS = 32

_LARGE_BUCKET = 200
"""Beyond this, pairs grow too fast; such a bucket holds copies of one text, which the first joins anyway."""


def partitions_of(documents: int, shape: Shape) -> int:
    """Into how many ranges of hashes the bands of so many documents are parted; a power of two, at most 65,536."""
    return 1 << min(max((documents * shape.bands - 1) // JOINED_RECORDS, 0).bit_length(), 16)


def range_limits(partitions: int) -> np.ndarray:
    """The first hash of each range but the first one, uint64; `partitions` is a power of two."""
    return (np.arange(1, partitions) << (64 - (partitions.bit_length() - 1))).astype(np.uint64)


def bands_form(shape: Shape, partitions: int) -> Form:
    """That of a file of bands."""
    form = shape.form("bands")
    return form._replace(parameters={**form.parameters, "partitions": partitions})


def write_bands(signatures: Path, compared: np.ndarray, output: Path, shape: Shape, partitions: int) -> None:
    """Write the bands of a part's signatures, of the `compared` rows (bool [documents]) alone.

    The file is a sequence of runs of documents. Each has its `keys` uint64, those of one range of hashes behind those
    of the one before, and their `rows` uint32 of the part; `bounds` int64 [runs, partitions + 1] say where in the file
    each range begins.
    """
    stored = open_arrays(signatures, shape.form("signatures"))["signature"]
    limits = range_limits(partitions)
    keys, rows, bounds, written = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)], [], 0
    for first in range(0, len(stored), _RUN_DOCUMENTS):
        numbers = np.flatnonzero(compared[first : first + _RUN_DOCUMENTS]) + first
        found = band_keys(stored[numbers], shape.bands).reshape(-1)
        ranges = np.searchsorted(limits, found, side="right").astype(np.uint16)
        order = np.argsort(ranges, kind="stable")  # rows of one key stay in their order
        keys.append(found[order])
        rows.append(np.tile(numbers.astype(np.uint32), shape.bands)[order])
        sizes = np.bincount(ranges, minlength=partitions)
        bounds.append(written + np.concatenate([[0], np.cumsum(sizes)]))
        written += len(found)
    table = np.array(bounds, dtype=np.int64).reshape(-1, partitions + 1)
    write_arrays(output, bands_form(shape, partitions), {"keys": keys, "rows": rows, "bounds": [table]})


def join_partition(
    bands: Sequence[Path], first_rows: Sequence[int], partition: int, output: Path, shape: Shape, partitions: int
) -> None:
    """Write the pairs of rows that share a band whose hash lies in one of the ranges.

    `bands` are files of `write_bands`, one for each part in order, `first_rows` the number of each part's first row.
    `codes` int64 ascend, each once: the smaller row in the upper half, the larger one in the lower.
    """
    keys, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for path, first in zip(bands, first_rows, strict=True):
        stored = open_arrays(path, bands_form(shape, partitions))
        for begin, end in stored["bounds"][:, partition : partition + 2]:
            keys.append(stored["keys"][begin:end])
            rows.append(stored["rows"][begin:end].astype(np.int64) + first)
    all_keys, all_rows = np.concatenate(keys), np.concatenate(rows)
    shared = np.flatnonzero(may_be_shared(all_keys))  # most keys occur once, and sorting them would take long
    order = shared[np.argsort(all_keys[shared], kind="stable")]
    pairs = bucket_pairs(all_keys[order], all_rows[order], _LARGE_BUCKET)
    codes = np.unique(pairs[:, 0] << _ROW_BITS | pairs[:, 1])
    write_arrays(output, shape.form("pairs"), {"codes": [codes]})


def merged_pairs(paths: Sequence[Path], shape: Shape) -> Iterator[np.ndarray]:
    """The pairs of all partitions, int64 [pairs, 2], ascending, each once; as many at a time as go into memory."""
    stored = [open_arrays(path, shape.form("pairs"))["codes"] for path in paths]
    # Between two neighbours of these no file has more than `step` pairs.
    step = max(_MERGED_PAIRS // max(len(stored), 1), 1)
    limits = np.unique(np.concatenate([np.empty(0, np.int64), *(codes[step::step] for codes in stored)]))
    bounds = [np.concatenate([[0], np.searchsorted(codes, limits), [len(codes)]]) for codes in stored]
    for place in range(len(limits) + 1):
        some = [codes[bound[place] : bound[place + 1]] for codes, bound in zip(stored, bounds, strict=True)]
        codes = np.unique(np.concatenate([np.empty(0, np.int64), *some]))
        yield np.stack([codes >> _ROW_BITS, codes & (2**_ROW_BITS - 1)], axis=1)


def candidate_pairs(paths: Sequence[Path], signatures: Rows, shape: Shape, threshold: float) -> Iterator[np.ndarray]:
    """The pairs of `join_partition` whose signatures agree enough for a similarity of `threshold`, in blocks."""
    lowest = least_agreement(threshold, shape.functions)
    for pairs in merged_pairs(paths, shape):
        yield pairs[agreement(pairs, signatures) >= lowest]

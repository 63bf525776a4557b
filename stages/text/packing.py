"""Documents into rows of equal length: long ones cut, all packed best-fit decreasing (Ding et al. 2024)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np

BLOCK = 4096
"""Pieces whose tokens are moved at once."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a document and its place in a row."""

    document: int
    """Index of the document in the sequence that was packed."""
    offset: int
    """First token of the stretch in the document."""
    length: int
    """Tokens in the stretch."""
    row: int
    start: int
    """Column of the first token."""
    segment: int
    """1, 2, ... in the order of columns."""


class Places(NamedTuple):
    """The pieces of many documents, in the order of documents and offsets: see `Piece`; int64 [pieces] each."""

    document: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    row: np.ndarray
    start: np.ndarray
    segment: np.ndarray


def cut(lengths: np.ndarray, context_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Document, offset and length of the pieces of documents, each at most a row (context + 1) long, int64 [pieces].

    Neighbours share one token, so that every token but a document's first is a target exactly once.
    """
    counts = np.maximum(-(-(lengths - 1) // context_length), 1)
    document = np.repeat(np.arange(len(lengths)), counts)
    first = np.cumsum(counts) - counts
    offset = (np.arange(len(document)) - first[document]) * context_length
    return document, offset, np.minimum(context_length + 1, lengths[document] - offset)


def best_fit_decreasing(lengths: Sequence[int] | np.ndarray, capacity: int) -> np.ndarray:
    """The bin of each item, int64: longest first, each into the fullest bin that still has room; ties in order given.

    Items of one length go together: while one fits again into the bin that was chosen, that bin stays the fullest.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    bins_with_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    occupied = 0  # bit r is set while some bin has exactly r tokens of room
    bins = 0
    assigned = np.empty(len(lengths), dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    for items in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        left = items
        while len(left):
            length = int(lengths[left[0]])
            fitting = occupied >> length
            room = length + (fitting & -fitting).bit_length() - 1 if fitting else capacity
            each = room // length
            number = -(-len(left) // each)
            if fitting:
                chosen = bins_with_room[room][: -number - 1 : -1]
                del bins_with_room[room][-len(chosen) :]
                occupied &= ~(1 << room) if not bins_with_room[room] else -1
            else:
                chosen = list(range(bins, bins + number))
                bins += number
            some, left = np.split(left, [len(chosen) * each])
            assigned[some] = np.repeat(chosen, each)[: len(some)]
            full, over = divmod(len(some), each)
            for rest, filled in ((room - each * length, chosen[:full]), (room - over * length, chosen[full:])):
                bins_with_room[rest] += filled
                occupied |= (1 << rest) if filled else 0
    return assigned


def place(lengths: np.ndarray, context_length: int, generator: np.random.Generator) -> Places:
    """Cut and place documents of the given lengths, int64; the generator shuffles the rows."""
    document, offset, length = cut(lengths, context_length)
    bins = best_fit_decreasing(length, context_length + 1)
    row_of_bin = generator.permutation(int(bins.max(initial=-1)) + 1)
    order = np.argsort(bins, kind="stable")
    before = np.cumsum(length[order]) - length[order]
    firsts = np.searchsorted(bins[order], bins[order])
    start, segment = np.empty_like(bins), np.empty_like(bins)
    start[order] = before - before[firsts]
    segment[order] = np.arange(len(bins)) - firsts + 1
    return Places(document, offset, length, row_of_bin[bins], start, segment)


def rows_of(places: Places) -> int:
    """The number of rows."""
    return int(places.row.max(initial=-1)) + 1


def pack(lengths: Sequence[int], context_length: int, generator: np.random.Generator) -> list[Piece]:
    """`place`, as a list."""
    places = place(np.array(lengths, dtype=np.int64), context_length, generator)
    return [Piece(*values) for values in zip(*(column.tolist() for column in places), strict=True)]


class Block(NamedTuple):
    """Pieces that follow each other in the rows, and what they fill."""

    pieces: np.ndarray
    """Which of the places, int64."""
    tokens: np.ndarray
    """Theirs, end to end."""
    rows: np.ndarray
    """The next places of the flattened rows [rows * (context + 1)], of the type of the tokens."""
    segments: np.ndarray
    """The same of the segments, uint16."""


def fill(read: Callable[[np.ndarray], np.ndarray], places: Places, context_length: int, pad: int) -> Iterator[Block]:
    """Rows and segments from front to back, so that only those of a block are in memory.

    `read` gives the tokens of some of the places, end to end.
    """
    order, width, done = np.lexsort((places.start, places.row)), context_length + 1, 0
    for block in range(0, len(order), BLOCK):
        some = order[block : block + BLOCK]
        tokens, length = read(some), places.length[some]
        target = np.repeat(places.row[some] * width + places.start[some], length) + steps(length) - done
        is_last = block + BLOCK >= len(order)
        end = rows_of(places) * width - done if is_last else int(target[-1]) + 1
        rows, segments = np.full(end, pad, dtype=tokens.dtype), np.zeros(end, dtype=np.uint16)
        rows[target], segments[target] = tokens, np.repeat(places.segment[some], length)
        done += end
        yield Block(some, tokens, rows, segments)


def steps(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ... for each stretch of these lengths, end to end."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def lay_out(
    documents: Sequence[np.ndarray], pieces: Sequence[Piece], context_length: int, pad: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, of the type of the documents, and segments, uint16, both [rows, context + 1], of packed documents."""
    sizes = np.array([len(document) for document in documents], dtype=np.int64)
    columns = np.array([astuple(piece) for piece in pieces], dtype=np.int64).reshape(-1, len(Places._fields)).T
    tokens = np.concatenate(documents) if documents else np.zeros(0, dtype=np.uint16)
    places = Places(*columns)
    first = (np.cumsum(sizes) - sizes)[places.document] + places.offset

    def read(some: np.ndarray) -> np.ndarray:
        return tokens[np.repeat(first[some], places.length[some]) + steps(places.length[some])]

    blocks = list(fill(read, places, context_length, pad))
    rows = np.concatenate([tokens[:0], *(block.rows for block in blocks)])
    segments = np.concatenate([np.zeros(0, dtype=np.uint16), *(block.segments for block in blocks)])
    return rows.reshape(-1, context_length + 1), segments.reshape(-1, context_length + 1)

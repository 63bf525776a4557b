"""Documents into rows of equal length: long ones cut, all packed best-fit decreasing (Ding et al. 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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


def cut(length: int, context_length: int) -> list[tuple[int, int]]:
    """Offset and length of the pieces of a document of `length` tokens, each at most a row (context + 1) long.

    Neighbours share one token, so that every token but the document's first is a target exactly once.
    """
    starts = range(0, max(length - 1, 1), context_length)
    return [(start, min(context_length + 1, length - start)) for start in starts]


def best_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[int]:
    """The bin of each item: longest first, each into the fullest bin that still has room; ties in the order given."""
    bins_with_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    occupied = 0  # bit r is set while some bin has exactly r tokens of room
    assigned = [0] * len(lengths)
    bins = 0
    for item in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[item]
        fitting = occupied >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            chosen = bins_with_room[room].pop()
            if not bins_with_room[room]:
                occupied &= ~(1 << room)
        else:
            room, chosen, bins = capacity, bins, bins + 1
        assigned[item] = chosen
        left = room - length
        bins_with_room[left].append(chosen)
        occupied |= 1 << left
    return assigned


def pack(lengths: Sequence[int], context_length: int, generator: np.random.Generator) -> list[Piece]:
    """Cut and place documents of the given lengths; the generator shuffles the rows.

    Pieces come back in the order of documents and offsets.
    """
    cuts = [(index, *piece) for index, length in enumerate(lengths) for piece in cut(length, context_length)]
    bins = best_fit_decreasing([length for _, _, length in cuts], context_length + 1)
    row_of_bin = generator.permutation(max(bins, default=-1) + 1)
    filled, count = [0] * len(row_of_bin), [0] * len(row_of_bin)
    pieces = []
    for (document, offset, length), chosen in zip(cuts, bins, strict=True):
        count[chosen] += 1
        row = int(row_of_bin[chosen])
        pieces.append(Piece(document, offset, length, row, filled[chosen], count[chosen]))
        filled[chosen] += length
    return pieces


def lay_out(
    documents: Sequence[np.ndarray], pieces: Sequence[Piece], context_length: int, pad: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and segments, both uint16 [rows, context + 1], for documents packed into `pieces`."""
    count = max((piece.row for piece in pieces), default=-1) + 1
    rows = np.full((count, context_length + 1), pad, dtype=np.uint16)
    segments = np.zeros_like(rows)
    for piece in pieces:
        columns = slice(piece.start, piece.start + piece.length)
        rows[piece.row, columns] = documents[piece.document][piece.offset : piece.offset + piece.length]
        segments[piece.row, columns] = piece.segment
    return rows, segments

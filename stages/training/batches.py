"""Which rows a step sees: a pure function of seed and step, cut into micro-batches of one shape."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from stages.seeding import generator
from stages.training.ranks import require_enough


def no_names(index: np.ndarray) -> list[str]:
    """Rows by number, where nothing is known of what they hold."""
    return [f"row {row}" for row in index.tolist()]


@dataclass(frozen=True)
class Rows:
    """Packed rows of tokens; arrays [rows, context + 1]."""

    tokens: np.ndarray
    """Unsigned ids."""
    segments: np.ndarray
    """uint16: 1, 2, ... for each piece in the row, 0 for padding."""
    learnt: np.ndarray | None
    """bool: which tokens are to be predicted; None for all."""
    names: Callable[[np.ndarray], list[str]] = no_names
    """What the rows of an index hold: documents, demonstrations."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def context_length(self) -> int:
        """Inputs per row."""
        return int(self.tokens.shape[1]) - 1

    def targets(self, index: np.ndarray) -> np.ndarray:
        """Which of the positions [len(index), context] have a trained target: the next token of the same piece."""
        segments = self.segments[index]
        trained = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] != 0)
        return trained if self.learnt is None else trained & self.learnt[index][:, 1:]


@dataclass(frozen=True)
class LanguageBatch:
    """A micro-batch for the loss of the next token."""

    tokens: Tensor
    """int64 [B, T]"""
    segments: Tensor
    """int64 [B, T]"""
    positions: Tensor
    """int64 [N]: places in the flattened [B * T] whose next token is trained."""
    targets: Tensor
    """int64 [N]: those next tokens."""

    def to(self, device: torch.device) -> "LanguageBatch":
        """The same on another device."""
        return LanguageBatch(*(getattr(self, field.name).to(device) for field in fields(self)))

    @property
    def weight(self) -> int:
        """What it counts in the mean of a step: its trained targets."""
        return len(self.targets)

    @property
    def real_tokens(self) -> int:
        """Tokens read, padding left out."""
        return int((self.segments != 0).sum())


@dataclass(frozen=True)
class Part:
    """A share of every batch, drawn from rows of its own."""

    name: str
    rows: Rows
    rows_per_step: int


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, count: int) -> np.ndarray:
    return generator(seed, "rows", name, epoch).permutation(count)


def shuffled(seed: int, name: str, first: int, number: int, count: int) -> np.ndarray:
    """Places `first` ... `first + number - 1` of the endless sequence that shuffles `count` rows anew each epoch."""
    places = range(first, first + number)
    return np.array([_order(seed, name, place // count, count)[place % count] for place in places], dtype=np.int64)


def language_batches(tokens: np.ndarray, segments: np.ndarray, trained: np.ndarray, size: int) -> list[LanguageBatch]:
    """Micro-batches of exactly `size` rows, the last filled up with padding.

    `tokens` and `segments` are [rows, context + 1], `trained` [rows, context]; one shape for all lets one compiled
    program serve them.
    """
    filler = ((0, -len(tokens) % size), (0, 0))
    tokens, segments, trained = (np.pad(array, filler) for array in (tokens, segments, trained))
    batches = []
    for start in range(0, len(tokens), size):
        rows = slice(start, start + size)
        places = np.flatnonzero(trained[rows])
        batches.append(
            LanguageBatch(
                tokens=torch.from_numpy(tokens[rows, :-1].astype(np.int64)),
                segments=torch.from_numpy(segments[rows, :-1].astype(np.int64)),
                positions=torch.from_numpy(places),
                targets=torch.from_numpy(tokens[rows, 1:].reshape(-1)[places].astype(np.int64)),
            )
        )
    return batches


@dataclass(frozen=True)
class Mixture:
    """The batches of a run: rows of every part, in a fixed ratio.

    A step's rows depend on seed and step alone, so that a run goes on at any step with any number of ranks.
    """

    parts: Sequence[Part]
    micro_batch_rows: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def __call__(self, step: int) -> list[LanguageBatch]:
        """The rank's share of the micro-batches of a step."""
        firsts = accumulate((part.rows_per_step for part in self.parts), initial=0)
        chosen = [
            (part.rows, self._index(part, step)[(self.rank - first) % self.ranks :: self.ranks])
            for part, first in zip(self.parts, firsts, strict=False)
        ]
        return language_batches(
            np.concatenate([rows.tokens[index] for rows, index in chosen]),
            np.concatenate([rows.segments[index] for rows, index in chosen]),
            np.concatenate([rows.targets(index) for rows, index in chosen]),
            self.micro_batch_rows,
        )

    def share(self, rank: int, ranks: int) -> "Mixture":
        """The rows of every step that one of several ranks reads; StageError if there is none for some of them.

        A micro-batch has no more rows than any rank has of a step: the rest would be padding.
        """
        rows = sum(part.rows_per_step for part in self.parts)
        require_enough(ranks, rows, "rows")
        return replace(self, rank=rank, ranks=ranks, micro_batch_rows=min(self.micro_batch_rows, -(-rows // ranks)))

    def names(self, step: int) -> list[str]:
        """What all ranks read at a step."""
        return [name for part in self.parts for name in part.rows.names(self._index(part, step))]

    def _index(self, part: Part, step: int) -> np.ndarray:
        return shuffled(self.seed, part.name, step * part.rows_per_step, part.rows_per_step, len(part.rows))


def all_batches(rows: Rows, index: np.ndarray, micro_batch_rows: int) -> list[LanguageBatch]:
    """Micro-batches of the rows `index`, in order, for validation."""
    return language_batches(rows.tokens[index], rows.segments[index], rows.targets(index), micro_batch_rows)

"""Batches of compared answers: every answer read once, all pairs of a prompt together, rows of one shape."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.errors import ExitCode, StageError
from stages.seeding import generator
from stages.text.packing import best_fit_decreasing
from stages.training.ranks import require_enough


@dataclass(frozen=True)
class Comparison:
    """The answers to one prompt and how they were judged."""

    prompt: str
    """Its id."""
    sequences: tuple[np.ndarray, ...]
    """Token ids of the prompt with each answer, the stop token included where it was written."""
    votes: np.ndarray
    """float [k, k, outputs]: share of judgement for the first answer over the second; NaN where there is none."""


@dataclass(frozen=True)
class PreferenceBatch:
    """A micro-batch for the loss of preferences: answers packed into rows, and the pairs among them."""

    tokens: Tensor
    """int64 [B, T]"""
    segments: Tensor
    """int64 [B, T]"""
    last: Tensor
    """int64 [A]: place of each answer's last token in the flattened [B * T]."""
    first: Tensor
    """int64 [P]: one answer of each pair, as an index into `last`."""
    second: Tensor
    """int64 [P]: the other one."""
    targets: Tensor
    """float32 [P, outputs]: share of judgement for the first."""
    shares: Tensor
    """float32 [P, outputs]: what the pair counts in the mean of its prompt: 1 / judged pairs, 0 if not judged."""
    prompts: int

    def to(self, device: torch.device) -> "PreferenceBatch":
        """The same on another device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **moved)

    @property
    def weight(self) -> int:
        """What it counts in the mean of a step: its prompts."""
        return self.prompts

    @property
    def real_tokens(self) -> int:
        """Tokens read, padding left out."""
        return int((self.segments != 0).sum())


def fitting_groups(comparisons: Sequence[Comparison], rows: int, context_length: int) -> Iterator[list[Comparison]]:
    """Consecutive prompts whose answers fit into `rows` rows together; StageError if one prompt's do not."""
    group: list[Comparison] = []
    for comparison in comparisons:
        if group and _rows_of([*group, comparison], context_length) > rows:
            yield group
            group = []
        if _rows_of([comparison], context_length) > rows:
            raise StageError(
                ExitCode.CONFIGURATION,
                "answers to one prompt do not fit into a micro-batch",
                f"{len(comparison.sequences)} answers, {sum(map(len, comparison.sequences))} tokens",
                "Raise micro_batch_rows.",
            )
        group.append(comparison)
    if group:
        yield group


def _rows_of(group: Sequence[Comparison], context_length: int) -> int:
    lengths = [len(sequence) for comparison in group for sequence in comparison.sequences]
    return max(best_fit_decreasing(lengths, context_length)) + 1


def preference_batch(group: Sequence[Comparison], rows: int, context_length: int) -> PreferenceBatch:
    """The micro-batch of one group from `fitting_groups`."""
    sequences = [sequence for comparison in group for sequence in comparison.sequences]
    tokens = np.zeros((rows, context_length), dtype=np.int64)
    segments = np.zeros_like(tokens)
    filled, last = [0] * rows, []
    row_of = best_fit_decreasing([len(sequence) for sequence in sequences], context_length)
    for number, (row, sequence) in enumerate(zip(row_of, sequences, strict=True), start=1):
        columns = slice(filled[row], filled[row] + len(sequence))
        tokens[row, columns], segments[row, columns] = sequence, number
        filled[row] = columns.stop
        last.append(row * context_length + columns.stop - 1)
    first, second, targets, shares = _pairs(group)
    return PreferenceBatch(
        tokens=torch.from_numpy(tokens),
        segments=torch.from_numpy(segments),
        last=torch.tensor(last),
        first=first,
        second=second,
        targets=targets,
        shares=shares,
        prompts=len(group),
    )


def _pairs(group: Sequence[Comparison]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    first, second, targets, shares = [], [], [], []
    answers = 0
    for comparison in group:
        pairs = list(combinations(range(len(comparison.sequences)), 2))
        votes = np.array([comparison.votes[pair] for pair in pairs])
        judged = ~np.isnan(votes)
        first += [answers + one for one, _ in pairs]
        second += [answers + other for _, other in pairs]
        targets.append(np.where(judged, votes, 0.5))
        shares.append(judged / np.maximum(judged.sum(0), 1))
        answers += len(comparison.sequences)
    wanted, counted = (torch.from_numpy(np.concatenate(part).astype(np.float32)) for part in (targets, shares))
    return torch.tensor(first), torch.tensor(second), wanted, counted


@dataclass(frozen=True)
class Comparisons:
    """The batches of a run over comparisons, shuffled anew each epoch; the last step of an epoch may be smaller."""

    comparisons: Sequence[Comparison]
    prompts_per_step: int
    micro_batch_rows: int
    context_length: int
    seed: int
    rank: int = 0
    ranks: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every prompt is read once."""
        return -(-len(self.comparisons) // self.prompts_per_step)

    def __call__(self, step: int) -> list[PreferenceBatch]:
        """The micro-batches of a step."""
        return self.batches(self._of(step)[self.rank :: self.ranks])

    def share(self, rank: int, ranks: int) -> "Comparisons":
        """The prompts of every step that one of several ranks reads; StageError if there is none for some of them."""
        last = len(self.comparisons) % self.prompts_per_step
        require_enough(ranks, last or self.prompts_per_step, "prompts")
        return replace(self, rank=rank, ranks=ranks)

    def names(self, step: int) -> list[str]:
        """The prompts of a step."""
        return [one.prompt for one in self._of(step)]

    def _of(self, step: int) -> list[Comparison]:
        epoch, place = divmod(step, self.steps_per_epoch)
        order = generator(self.seed, "comparisons", epoch).permutation(len(self.comparisons))
        return [self.comparisons[index] for index in order[place * self.prompts_per_step :][: self.prompts_per_step]]

    def in_order(self) -> list[PreferenceBatch]:
        """Micro-batches of all comparisons in the order given, for measuring."""
        return self.batches(self.comparisons)

    def batches(self, comparisons: Sequence[Comparison]) -> list[PreferenceBatch]:
        """Micro-batches of given comparisons, in order."""
        rows, length = self.micro_batch_rows, self.context_length
        return [preference_batch(group, rows, length) for group in fitting_groups(comparisons, rows, length)]

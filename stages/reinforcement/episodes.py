"""Prompts with their sampled answers as right-padded rows whose lengths are carried along, never read off token ids.

Shapes: B episodes, T tokens of the longest prompt with its response, R actions of the longest response. An action is a
response token, the stop token included if it was sampled. What predicts an action, and its value, is read at the
position before it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Episodes:
    """A batch of prompts with one sampled response each."""

    tokens: Tensor
    """[B, T] token ids: the prompt, then the response, then padding."""
    prompt_lengths: Tensor
    """[B]"""
    response_lengths: Tensor
    """[B], each at least 1."""
    ended: Tensor
    """[B] booleans: whether the stop token was sampled before the budget ran out."""

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def lengths(self) -> Tensor:
        """[B] tokens of prompt and response together."""
        return self.prompt_lengths + self.response_lengths

    @property
    def mask(self) -> Tensor:
        """[B, R] booleans, true on actions."""
        steps = torch.arange(int(self.response_lengths.max()))
        return steps < self.response_lengths[:, None]

    @property
    def predecessors(self) -> Tensor:
        """[B, R] position of the token before each action; behind the last action any position of the row."""
        steps = torch.arange(int(self.response_lengths.max()))
        return (self.prompt_lengths[:, None] - 1 + steps).clamp(max=self.tokens.shape[1] - 2)

    @property
    def actions(self) -> Tensor:
        """[B, R] token id of each action; behind the last action any id."""
        return self.tokens.gather(1, self.predecessors + 1)

    def rows(self, indices: Tensor) -> "Episodes":
        """The episodes `indices`, cut to the longest of them."""
        longest = int(self.lengths[indices].max())
        return Episodes(
            tokens=self.tokens[indices, :longest],
            prompt_lengths=self.prompt_lengths[indices],
            response_lengths=self.response_lengths[indices],
            ended=self.ended[indices],
        )


@dataclass(frozen=True)
class ActionScores:
    """What a policy says of sampled actions; both [B, R], fp32 and zero behind the last action."""

    log_probabilities: Tensor
    entropies: Tensor
    """Of the whole distribution that each action was drawn from, in nats."""

    def stacked(self) -> Tensor:
        """Both in one tensor [B, R, 2]."""
        return torch.stack([self.log_probabilities, self.entropies], dim=-1)


@dataclass(frozen=True)
class Experience:
    """Episodes with all that an update needs of them; every other field is [B, R] and zero behind the last action."""

    episodes: Episodes
    old_log_probabilities: Tensor
    """Under the policy that is about to be updated, from the forward pass that the update uses."""
    entropies: Tensor
    """Of that policy."""
    reference_log_probabilities: Tensor
    """Under the frozen policy that training started from."""
    values: Tensor
    """The critic's, before its update."""
    advantages: Tensor
    returns: Tensor
    """Targets of the critic."""

    def rows(self, indices: Tensor) -> "Experience":
        """The experience of the episodes `indices`, cut to the longest of them."""
        episodes = self.episodes.rows(indices)
        actions = int(episodes.response_lengths.max())
        return Experience(
            episodes=episodes,
            old_log_probabilities=self.old_log_probabilities[indices, :actions],
            entropies=self.entropies[indices, :actions],
            reference_log_probabilities=self.reference_log_probabilities[indices, :actions],
            values=self.values[indices, :actions],
            advantages=self.advantages[indices, :actions],
            returns=self.returns[indices, :actions],
        )


def pack_episodes(prompts: list[list[int]], responses: list[list[int]], ended: list[bool], padding: int) -> Episodes:
    """The rows of `prompts` with their `responses`, padded on the right with the id `padding`."""
    longest = max(len(prompt) + len(response) for prompt, response in zip(prompts, responses, strict=True))
    tokens = torch.full((len(prompts), longest), padding, dtype=torch.long)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        tokens[row, : len(prompt) + len(response)] = torch.tensor(prompt + response)
    return Episodes(
        tokens=tokens,
        prompt_lengths=torch.tensor([len(prompt) for prompt in prompts]),
        response_lengths=torch.tensor([len(response) for response in responses]),
        ended=torch.tensor(ended),
    )


Rows = TypeVar("Rows", Episodes, Experience)


def length_batches(lengths: Tensor, batch_tokens: int) -> list[Tensor]:
    """Row indices in groups of like length, each of at most `batch_tokens` padded tokens (one row at the least).

    Longest first, so that the largest memory need shows at once; every row is in exactly one group.
    """
    groups: list[Tensor] = []
    order = torch.argsort(lengths, descending=True, stable=True)
    while len(order):
        rows = max(1, batch_tokens // int(lengths[order[0]]))
        groups.append(order[:rows])
        order = order[rows:]
    return groups


def micro_batches(batch: Rows, batch_tokens: int) -> Iterator[tuple[Tensor, Rows]]:
    """Parts of `batch` that fit `batch_tokens` padded tokens, each with its row indices."""
    lengths = batch.lengths if isinstance(batch, Episodes) else batch.episodes.lengths
    for indices in length_batches(lengths, batch_tokens):
        yield indices, batch.rows(indices)


@torch.no_grad()
def in_micro_batches(network: Callable[[Episodes], Tensor], episodes: Episodes, batch_tokens: int) -> Tensor:
    """[B, R, ...]: `network` over all episodes, without gradients, at most `batch_tokens` padded tokens at a time."""
    parts = [(indices, network(part)) for indices, part in micro_batches(episodes, batch_tokens)]
    result = torch.zeros(*episodes.mask.shape, *parts[0][1].shape[2:])
    for indices, values in parts:
        result[indices, : values.shape[1]] = values
    return result

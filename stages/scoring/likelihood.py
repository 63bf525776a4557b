"""How likely a model finds given tokens: the measure behind bits per byte, choice tasks, divergence and exposure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from stages.model.transformer import Transformer
from stages.seeding import generator
from stages.text.packing import Piece, lay_out, pack
from stages.text.tokenizer import Tokenizer

ROWS_AT_ONCE = 2
TOKENS_AT_ONCE = 512
"""Rows of a forward pass, and tokens whose scores over the vocabulary are held at once. They change no figure, but what
fits into the processor's cache is scored twice as fast as with four times as many rows."""

LogProbabilities = Callable[[Sequence[np.ndarray]], list[np.ndarray]]
"""Token sequences to the nats of every token but the first of each, given those before it: a model, or an n-gram."""


@torch.inference_mode()
def log_probabilities(model: Transformer, sequences: Sequence[np.ndarray], temperature: float) -> list[np.ndarray]:
    """Nats of every token but the first of each sequence, float64, under scores divided by `temperature`.

    Sequences are packed into rows and do not see each other. One longer than the context is cut as in training:
    the tokens after a cut see the one before it and no further back.
    """
    context = model.config.context_length
    pieces = pack([len(sequence) for sequence in sequences], context, generator("likelihood"))
    rows, segments = (torch.from_numpy(part.astype(np.int64)) for part in lay_out(sequences, pieces, context, pad=0))
    scored = np.empty((len(rows), context))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        batch = slice(start, start + ROWS_AT_ONCE)
        # The scores are linear in the hidden states, which are fewer numbers to divide.
        hidden = model(rows[batch, :-1], segments[batch, :-1]).flatten(0, 1) / temperature
        parts = zip(hidden.split(TOKENS_AT_ONCE), rows[batch, 1:].flatten().split(TOKENS_AT_ONCE), strict=True)
        nats = [F.cross_entropy(model.logits(part), targets, reduction="none") for part, targets in parts]
        scored[batch] = -torch.cat(nats).view(-1, context).numpy()
    return _by_sequence(scored, pieces, [len(sequence) for sequence in sequences])


def _by_sequence(scored: np.ndarray, pieces: Sequence[Piece], lengths: Sequence[int]) -> list[np.ndarray]:
    """Collect the targets' scores [rows, context] of each sequence; neighbouring pieces share no target."""
    collected = [np.empty(max(length - 1, 0)) for length in lengths]
    for piece in pieces:
        targets = piece.length - 1
        collected[piece.document][piece.offset : piece.offset + targets] = scored[
            piece.row, piece.start : piece.start + targets
        ]
    return collected


def scorer(model: Transformer) -> LogProbabilities:
    """The model's own probabilities, at temperature 1."""
    return partial(log_probabilities, model, temperature=1.0)


@dataclass(frozen=True)
class Information:
    """What a set of documents costs under a model, document by document."""

    bits: np.ndarray
    """float64 [documents]: of every token but the first, the document's end included, which has to be told too."""
    bytes: np.ndarray
    """float64 [documents]: UTF-8 bytes of the same tokens; control tokens have none."""

    def select(self, chosen: np.ndarray) -> "Information":
        """The same for some of the documents."""
        return Information(self.bits[chosen], self.bytes[chosen])


def information(
    log_probabilities: LogProbabilities, documents: Sequence[np.ndarray], token_bytes: np.ndarray
) -> Information:
    """Bits and bytes of documents that begin with a token that is given."""
    bits = [-float(nats.sum()) / math.log(2) for nats in log_probabilities(documents)]
    sizes = [float(token_bytes[document[1:].astype(np.int64)].sum()) for document in documents]
    return Information(np.array(bits), np.array(sizes))


@dataclass(frozen=True)
class Continuations:
    """A context and texts that may follow it."""

    context: str
    choices: Sequence[str]


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))


def continuation_nats(
    log_probabilities: LogProbabilities, asked: Sequence[Continuations], tokenizer: Tokenizer
) -> list[np.ndarray]:
    """Nats [choices] of each choice after its context, which begins a document.

    Context and choice are encoded together, as training saw them: a token may reach over the seam. What is scored
    begins at the same token for all choices, the first that is not certain from the context.
    """
    contexts = [tokenizer.encode(one.context) for one in asked]
    whole = [tokenizer.encode_batch([one.context + choice for choice in one.choices]) for one in asked]
    seams = [min(_shared(context, ids) for ids in choices) for context, choices in zip(contexts, whole, strict=True)]
    scored = iter(log_probabilities([np.array([tokenizer.bos, *ids]) for choices in whole for ids in choices]))
    return [np.array([next(scored)[seam:].sum() for _ in choices]) for seam, choices in zip(seams, whole, strict=True)]

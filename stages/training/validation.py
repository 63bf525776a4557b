"""How well a language model predicts held-out rows, in nats per token and in bits per byte."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.model.transformer import Transformer
from stages.seeding import generator
from stages.training.batches import LanguageBatch, Rows, all_batches
from stages.training.objectives import CHUNK


def summed_loss(model: Transformer, batch: LanguageBatch) -> Tensor:
    """Cross-entropy in nats summed over the trained targets, without gradients.

    The decoder runs as in training and its graph is dropped: the compiled program for training then serves here too,
    where one without gradients would have to be compiled beside it.
    """
    with torch.enable_grad():
        hidden = model(batch.tokens, batch.segments).detach()
    hidden = hidden.flatten(0, 1).index_select(0, batch.positions)
    parts = zip(hidden.split(CHUNK), batch.targets.split(CHUNK), strict=True)
    losses = [F.cross_entropy(model.logits(part), targets, reduction="sum") for part, targets in parts]
    return torch.stack(losses).sum() if losses else torch.zeros(())


def chosen_rows(count: int, limit: int, seed: int) -> np.ndarray:
    """All of `count` rows, or a seeded choice of `limit` of them, in order."""
    return np.sort(generator(seed, "validation").permutation(count)[:limit])


@dataclass(frozen=True)
class HeldOut:
    """Held-out micro-batches and what they are measured by."""

    name: str
    """Begins the names of the figures."""
    batches: list[LanguageBatch]
    token_bytes: np.ndarray
    """UTF-8 bytes of every token id, 0 for control tokens."""

    @classmethod
    def choose(
        cls, name: str, rows: Rows, token_bytes: np.ndarray, limit: int, micro_batch_rows: int, seed: int
    ) -> "HeldOut":
        """At most `limit` of the rows."""
        index = chosen_rows(len(rows), limit, seed)
        return cls(name, all_batches(rows, index, micro_batch_rows), token_bytes)

    @torch.no_grad()
    def __call__(self, model: Transformer) -> dict[str, float]:
        """Loss (nats per target) and bits per byte.

        Control tokens cost bits, because a document's end has to be predicted, but are no bytes of text.
        """
        device = model.output_weight.device
        nats = sum(summed_loss(model, batch.to(device)).item() for batch in self.batches)
        targets = sum(batch.weight for batch in self.batches)
        size = sum(int(self.token_bytes[batch.targets.numpy()].sum()) for batch in self.batches)
        return {
            f"{self.name}_loss": nats / max(targets, 1),
            f"{self.name}_bits_per_byte": nats / math.log(2) / max(size, 1),
        }

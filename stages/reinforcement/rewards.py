"""The score of a response: the reward model's heads as one number, gated, clipped, lowered where the end is missing."""

import torch
from pydantic import Field, field_validator
from torch import Tensor

from stages.model.scalar import ScalarModel
from stages.parameters import Section
from stages.preferences.records import AXES
from stages.reinforcement.episodes import Episodes, length_batches

HEADS = ("overall", *AXES)
"""Outputs of a reward model, in order."""


class ScoreSettings(Section):
    """How the heads, each normalised to mean 0 and deviation 1 on the reference's own answers, become one score."""

    weights: dict[str, float]
    """Weight of each head: `overall` and the four axes."""
    safety_threshold: float | None
    """Below this a response is scored by its safety head, where that is the lower score; null for no gate."""
    clip: float = Field(gt=0)
    """Largest size of the combined score."""
    missing_end_penalty: float = Field(ge=0)
    """Subtracted from a response that ran into the token budget, so that their order among themselves survives."""

    @field_validator("weights")
    @classmethod
    def names_every_head(cls, weights: dict[str, float]) -> dict[str, float]:
        """Refuse weights for anything but exactly the heads."""
        if set(weights) != set(HEADS):
            raise ValueError(f"needs one weight for each of {', '.join(HEADS)}")
        return weights


def head_weights(settings: ScoreSettings) -> Tensor:
    """The weights in the order of the heads."""
    return torch.tensor([settings.weights[head] for head in HEADS])


def combined_scores(heads: Tensor, ended: Tensor, settings: ScoreSettings) -> Tensor:
    """Scores [B] of normalised heads [B, 5].

    The gate follows Touvron et al. 2023 (https://arxiv.org/abs/2307.09288), section 3.2.3, but takes the lower of the
    two scores, so that being less safe never pays.
    """
    scores = heads @ head_weights(settings)
    if settings.safety_threshold is not None:
        safety = heads[:, HEADS.index("safety")]
        scores = torch.where(safety < settings.safety_threshold, torch.minimum(safety, scores), scores)
    return scores.clamp(-settings.clip, settings.clip) - settings.missing_end_penalty * (~ended).float()


@torch.no_grad()
def score_heads(reward: ScalarModel, episodes: Episodes, batch_tokens: int) -> Tensor:
    """Every head [B, 5] at the last action of each episode."""
    heads = torch.zeros(len(episodes), len(HEADS))
    for indices in length_batches(episodes.lengths, batch_tokens):
        part = episodes.rows(indices)
        heads[indices] = reward.score(part.tokens, part.lengths)
    return heads

"""Responses kept from a rollout for people to read."""

from typing import Literal

from stages.reinforcement.kl import k1
from stages.reinforcement.loop import Step
from stages.reinforcement.rewards import HEADS
from stages.text.records import Record
from stages.text.tokenizer import Tokenizer


class Sample(Record):
    """A response seen during training, with what it was worth."""

    schema_version: Literal[1] = 1
    update: int
    prompt_id: str
    prompt: str
    """The last user turn."""
    text: str
    finish_reason: Literal["stop", "length"]
    reward: float
    heads: dict[str, float]
    """Normalised outputs of the reward model."""
    kl: float
    """Log-ratio of the response between policy and reference, in nats; now and then negative for a single response."""


def kept_samples(step: Step, count: int, tokenizer: Tokenizer) -> list[Sample]:
    """The first `count` responses of a rollout."""
    experience, rollout = step.experience, step.rollout
    divergence = k1(experience.old_log_probabilities, experience.reference_log_probabilities).sum(dim=1)
    return [
        Sample(
            update=int(step.figures["step"]),
            prompt_id=rollout.questions[row].id,
            prompt=rollout.questions[row].text,
            text=tokenizer.decode(rollout.responses[row]),
            finish_reason="stop" if rollout.episodes.ended[row] else "length",
            reward=round(step.scores[row].item(), 4),
            heads={head: round(step.heads[row, index].item(), 4) for index, head in enumerate(HEADS)},
            kl=round(divergence[row].item(), 4),
        )
        for row in range(min(count, len(rollout.questions)))
    ]


def sampled_updates(updates: int) -> set[int]:
    """The updates, counted from 1, whose rollouts samples are kept of: the first, the middle and the last."""
    return {1, (updates + 1) // 2, updates}

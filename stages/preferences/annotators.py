"""A simulated panel: noisy, biased, sometimes careless annotators whose common opinion is the hidden score.

It stands in for people where nobody ranks, and every record that it makes says so (`simulated: true`). The noise is
there on purpose: a reward model that learns from a panel in perfect agreement would prove nothing about people.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from stages.parameters import Section
from stages.preferences import hidden_score
from stages.preferences.records import AXES, Judgement, Ratings, ShownAnswer
from stages.seeding import generator, key_hash
from stages.text.demonstrations import Prompt

SCALE = 5
"""Ratings go from 1 to this."""


class Panel(Section):
    """Who simulates the judges."""

    annotators: int = Field(gt=0)
    """Members of the panel."""
    judges_per_prompt: int = Field(gt=0)
    """Members who rank the answers of one prompt."""
    noise: float = Field(ge=0)
    """Standard deviation of an annotator's error on an axis of one answer, on the scale 0 to 1."""
    severity: float = Field(ge=0)
    """Standard deviation of how strict annotators are on an axis in general, on the scale 0 to 1."""
    tie_width: float = Field(ge=0, le=1)
    """Answers whose overall impressions differ by less, 0 to 1, are ranked equal."""
    careless_share: float = Field(ge=0, le=1)
    """Share of judgements made without looking, 0 to 1."""
    position_bias: float = Field(ge=0, le=1)
    """What being shown first adds to the overall impression, 0 to 1."""


def ranks_from(impressions: Sequence[float], tie_width: float) -> tuple[int, ...]:
    """Rank 1 for the best impression; one less than `tie_width` below the best of its rank shares that rank.

    Ranks count those above: 1, 2, 2, 4.
    """
    order = sorted(range(len(impressions)), key=lambda place: -impressions[place])
    ranks = [0] * len(impressions)
    leader, rank = None, 0
    for position, place in enumerate(order, start=1):
        if leader is None or leader - impressions[place] >= tie_width:
            leader, rank = impressions[place], position
        ranks[place] = rank
    return tuple(ranks)


def members(panel: Panel, seed: int, prompt_id: str) -> list[int]:
    """Which members judge a prompt."""
    drawn = generator(seed, "members", prompt_id).permutation(panel.annotators)
    return sorted(int(member) for member in drawn[: panel.judges_per_prompt])


def _severity(panel: Panel, seed: int, member: int) -> np.ndarray:
    return generator(seed, "severity", member).normal(0.0, panel.severity, size=len(AXES))


def judge(
    panel: Panel,
    seed: int,
    member: int,
    prompt: Prompt,
    answers: Sequence[ShownAnswer],
    tokenizer_hash: str,
    guideline_hash: str,
) -> Judgement:
    """One member's judgement of the answers to a prompt, in an order of the member's own."""
    draw = generator(seed, "judge", member, prompt.id)
    shown = [answers[place] for place in draw.permutation(len(answers))]
    scores = [hidden_score.axes(prompt, answer.text, answer.finish_reason) for answer in shown]
    seen = np.array([[score[axis] for axis in AXES] for score in scores])
    if draw.random() < panel.careless_share:
        seen = draw.random(seen.shape)
    seen = seen + draw.normal(0.0, panel.noise, size=seen.shape)
    impressions = [hidden_score.overall(dict(zip(AXES, np.clip(row, 0.0, 1.0), strict=True))) for row in seen]
    impressions[0] += panel.position_bias
    marks = np.clip(np.rint(1 + (SCALE - 1) * (seen - _severity(panel, seed, member))), 1, SCALE).astype(int)
    return Judgement(
        id=f"{key_hash('judgement', seed, member, prompt.id, *(answer.response_id for answer in answers)):016x}",
        revision=1,
        annotator=f"simulated-{member + 1}",
        prompt_id=prompt.id,
        prompt_split=prompt.split,
        messages=prompt.messages,
        answers=tuple(shown),
        tokenizer_hash=tokenizer_hash,
        ranks=ranks_from(impressions, panel.tie_width),
        ratings=tuple(Ratings(**dict(zip(AXES, map(int, row), strict=True))) for row in marks),
        flags=(),
        comment="",
        seconds=None,
        guideline_hash=guideline_hash,
        gold=False,
        simulated=True,
    )


def judge_all(
    panel: Panel,
    seed: int,
    prompts: Sequence[Prompt],
    answers: dict[str, list[ShownAnswer]],
    tokenizer_hash: str,
    guideline_hash: str,
) -> list[Judgement]:
    """The panel's judgements of every prompt with two answers or more, in the order of the prompts.

    `answers` are by prompt id.
    """
    return [
        judge(panel, seed, member, prompt, answers[prompt.id], tokenizer_hash, guideline_hash)
        for prompt in prompts
        if len(answers.get(prompt.id, ())) >= 2
        for member in members(panel, seed, prompt.id)
    ]

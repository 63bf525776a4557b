"""Which prompts an update sees, and the policy's sampled responses to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from stages.errors import ExitCode, StageError
from stages.model.generation import generate
from stages.model.transformer import Transformer
from stages.parameters import Section
from stages.reinforcement.episodes import Episodes, pack_episodes
from stages.seeding import generator, key_hash
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Prompt
from stages.text.tokenizer import Tokenizer


class RolloutSettings(Section):
    """How responses are sampled: from the whole vocabulary, because that is the distribution the update scores."""

    episodes: int = Field(gt=0)
    """Responses per update, one per prompt."""
    max_new_tokens: int = Field(gt=0)
    """Token budget of a response, the stop token included."""
    temperature: float = Field(gt=0)
    """Of the policy, when it samples and wherever it or its reference is scored."""
    batch_size: int = Field(gt=0)
    """Responses decoded side by side."""


@dataclass(frozen=True)
class Question:
    """A prompt ready to be continued."""

    id: str
    text: str
    """The last user turn."""
    tokens: list[int]


@dataclass(frozen=True)
class Rollout:
    """One update's questions and the responses sampled for them."""

    questions: list[Question]
    responses: list[list[int]]
    episodes: Episodes
    sampler_log_probabilities: Tensor
    """[B, R] as the decoder saw them while it sampled."""


def prepare_questions(prompts: Sequence[Prompt], tokenizer: Tokenizer, longest: int) -> list[Question]:
    """The prompts in order of id; those of more than `longest` tokens are left out, because a cut would change them."""
    questions = [
        Question(prompt.id, prompt.messages[-1].content, render_prompt(prompt.messages, tokenizer))
        for prompt in sorted(prompts, key=lambda prompt: prompt.id)
    ]
    fitting = [question for question in questions if len(question.tokens) <= longest]
    if not fitting:
        raise StageError(
            ExitCode.DATA,
            "no prompts to optimise on",
            f"{len(questions)} in split optimise, none of at most {longest} tokens",
            "Compose more prompts, or lower ppo.rollout.max_new_tokens.",
        )
    return fitting


def drawn_questions(questions: Sequence[Question], update: int, episodes: int, seed: int) -> list[tuple[int, Question]]:
    """The questions of an update, each with the number of its pass over the prompts.

    Passes follow each other without a gap, each in an order of its own, so an update is a pure function of its number.
    """
    drawn = []
    orders: dict[int, list[int]] = {}
    for place in range(update * episodes, (update + 1) * episodes):
        number, offset = divmod(place, len(questions))
        if number not in orders:
            orders[number] = generator(seed, "prompts", number).permutation(len(questions)).tolist()
        drawn.append((number, questions[orders[number][offset]]))
    return drawn


def roll_out(
    model: Transformer,
    drawn: Sequence[tuple[int, Question]],
    settings: RolloutSettings,
    tokenizer: Tokenizer,
    seed: int,
) -> Rollout:
    """Sample one response per question; each draw depends on the seed, the pass and the prompt alone."""
    questions = [question for _, question in drawn]
    generations = generate(
        model,
        [question.tokens for question in questions],
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=1.0,
        stop_id=tokenizer.end,
        keys=[key_hash(seed, "response", number, question.id) for number, question in drawn],
        batch_size=settings.batch_size,
    )
    responses = [generation.token_ids for generation in generations]
    episodes = pack_episodes(
        [question.tokens for question in questions],
        responses,
        [generation.finish_reason == "stop" for generation in generations],
        tokenizer.pad,
    )
    sampled = torch.zeros(episodes.mask.shape)
    sampled[episodes.mask] = torch.tensor([value for row in generations for value in row.log_probabilities])
    return Rollout(questions, responses, episodes, sampled)

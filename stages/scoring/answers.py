"""Answers to prompts: asked as a conversation or as plain text with examples, scored by the hidden score, kept."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from stages.model.generation import Generation, generate
from stages.model.transformer import Transformer
from stages.parameters import Section
from stages.preferences.hidden_score import axes, overall
from stages.scoring.fewshot import answer_of, examples, request
from stages.seeding import key_hash
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.records import Record
from stages.text.tokenizer import Tokenizer

CONVERSATION_MODELS = ("instruct", "ppo")
"""The models that were taught conversations; the others are asked in plain text."""


class Sampling(Section):
    """How answers are drawn."""

    temperature: float = Field(ge=0)
    """Divides the scores before the softmax; 0 is greedy."""
    max_new_tokens: int = Field(gt=0)
    """Tokens after which an answer is cut off."""
    batch_size: int = Field(gt=0)
    """Answers written at once."""


class Answer(Record):
    """What one model wrote for one prompt, and what the hidden score made of it."""

    schema_version: Literal[1] = 1
    prompt_id: str
    model: str
    text: str
    token_ids: tuple[int, ...]
    """The end token included if the answer ended by itself."""
    finish_reason: Literal["stop", "length"]
    log_probability: float
    """Nats of all sampled tokens at the sampling temperature."""
    axes: dict[str, float]
    score: float


def fitting(prompts: Sequence[Prompt], tokenizer: Tokenizer, context_length: int, sampling: Sampling) -> list[Prompt]:
    """The prompts that leave room for an answer in the context."""
    room = context_length - sampling.max_new_tokens
    return [prompt for prompt in prompts if len(render_prompt(prompt.messages, tokenizer)) <= room]


def continuations(
    model: Transformer,
    requests: Sequence[list[int]],
    names: Sequence[str],
    tokenizer: Tokenizer,
    sampling: Sampling,
    seed: int,
) -> list[Generation]:
    """Sample one continuation per request. Two models that are asked the same draw from the same random numbers."""
    return generate(
        model,
        requests,
        max_new_tokens=sampling.max_new_tokens,
        temperature=sampling.temperature,
        top_p=1.0,  # narrower, the probabilities that were sampled from would not be the model's own
        stop_id=tokenizer.end,
        keys=[key_hash(seed, "answer", name) for name in names],
        batch_size=sampling.batch_size,
    )


def score(prompt: Prompt, model: str, text: str, ids: Sequence[int], ended: bool, log_probability: float) -> Answer:
    """An answer with its scores."""
    finish_reason: Literal["stop", "length"] = "stop" if ended else "length"
    scores = axes(prompt, text, finish_reason)
    return Answer(
        prompt_id=prompt.id,
        model=model,
        text=text,
        token_ids=tuple(ids),
        finish_reason=finish_reason,
        log_probability=round(log_probability, 4),
        axes={axis: round(value, 6) for axis, value in scores.items()},
        score=round(overall(scores), 6),
    )


def conversation_answers(
    name: str, model: Transformer, prompts: Sequence[Prompt], tokenizer: Tokenizer, sampling: Sampling, seed: int
) -> list[Answer]:
    """The answers of a model that knows conversations."""
    requests = [render_prompt(prompt.messages, tokenizer) for prompt in prompts]
    written = continuations(model, requests, [prompt.id for prompt in prompts], tokenizer, sampling, seed)
    return [
        score(
            prompt,
            name,
            tokenizer.decode(one.token_ids).strip(),
            one.token_ids,
            one.finish_reason == "stop",
            sum(one.log_probabilities),
        )
        for prompt, one in zip(prompts, written, strict=True)
    ]


def plain_request(
    prompt: Prompt, pools: Sequence[Sequence[Demonstration]], tokenizer: Tokenizer, room: int, seed: int
) -> list[int]:
    """The tokens of a request as plain text, with as many of its examples as fit into `room`."""
    shown = examples(pools, seed, prompt.id)
    while True:
        ids = [tokenizer.bos, *tokenizer.encode(request(prompt.messages, shown))]
        if len(ids) <= room or not shown:
            return ids[-room:]
        shown = shown[1:]


def plain_text_answers(
    name: str,
    model: Transformer,
    prompts: Sequence[Prompt],
    pools: Sequence[Sequence[Demonstration]],
    tokenizer: Tokenizer,
    sampling: Sampling,
    seed: int,
) -> list[Answer]:
    """The answers of a model that only continues text: what it writes before its own next example."""
    room = model.config.context_length - sampling.max_new_tokens
    requests = [plain_request(prompt, pools, tokenizer, room, seed) for prompt in prompts]
    written = continuations(model, requests, [prompt.id for prompt in prompts], tokenizer, sampling, seed)
    answers = []
    for prompt, one in zip(prompts, written, strict=True):
        text, went_on = answer_of(tokenizer.decode(one.token_ids))
        ids = tokenizer.encode(text) if went_on else one.token_ids
        ended = went_on or one.finish_reason == "stop"
        answers.append(score(prompt, name, text, ids, ended, sum(one.log_probabilities)))
    return answers


def answers_of(
    models: Mapping[str, Transformer],
    prompts: Sequence[Prompt],
    plain_prompts: int,
    pools: Sequence[Sequence[Demonstration]],
    tokenizer: Tokenizer,
    sampling: Sampling,
    seed: int,
) -> dict[str, list[Answer]]:
    """Every model's answers: to all prompts as conversations, or to the first `plain_prompts` as plain text."""
    first = prompts[:plain_prompts]
    return {
        name: conversation_answers(name, model, prompts, tokenizer, sampling, seed)
        if name in CONVERSATION_MODELS
        else plain_text_answers(name, model, first, pools, tokenizer, sampling, seed)
        for name, model in models.items()
    }

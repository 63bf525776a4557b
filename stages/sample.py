"""Let the instruct model answer the prompts that are to be ranked, several times each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model, model_hash
from stages.model.generation import Generation, generate
from stages.parameters import Metrics, Section
from stages.preferences.records import RESPONSE_SCHEMA
from stages.progress import Progress
from stages.seeding import key_hash
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Prompt, PromptSplit
from stages.text.documents import write_table
from stages.text.records import read_records
from stages.text.tokenizer import Tokenizer

SPLITS: tuple[PromptSplit, ...] = ("rank", "validation", "test")
"""The splits whose answers are judged; demonstrate and optimise prompts are for training on."""


class Params(Section):
    """How the answers are drawn."""

    seed: int
    """Part of every answer's random key."""
    temperatures: list[Annotated[float, Field(ge=0)]] = Field(min_length=2)
    """One for each answer to a prompt. Answers must differ to be worth ranking, so that Touvron et al. 2023
    (https://arxiv.org/abs/2307.09288, section 3.2.1) varied them too."""
    top_p: float = Field(gt=0, le=1)
    """Probability mass that is sampled from; below 1 the unlikeliest tokens are left out."""
    max_new_tokens: int = Field(gt=0)
    """Most tokens in an answer."""
    batch_size: int = Field(gt=0)
    """Answers written at once."""


def fitting(prompts: Sequence[Prompt], rendered: Sequence[list[int]], room: int) -> list[tuple[Prompt, list[int]]]:
    """The prompts that leave space for an answer; a longer one is left out rather than cut, which would change it."""
    return [(prompt, ids) for prompt, ids in zip(prompts, rendered, strict=True) if len(ids) <= room]


def responses(
    prompts: Sequence[Prompt], generations: Sequence[Generation], tokenizer: Tokenizer, weights: str, params: Params
) -> pd.DataFrame:
    """A row of `RESPONSE_SCHEMA` for each answer; the answers to a prompt follow each other in `generations`."""
    answers = len(params.temperatures)
    rows = []
    for index, generation in enumerate(generations):
        prompt, number = prompts[index // answers], index % answers
        rows.append(
            {
                "id": f"{key_hash(params.seed, weights, prompt.id, number):016x}",
                "prompt_id": prompt.id,
                "split": prompt.split,
                "text": tokenizer.decode(generation.token_ids),
                "token_ids": generation.token_ids,
                "finish_reason": generation.finish_reason,
                "model_hash": weights,
                "temperature": params.temperatures[number],
                "top_p": params.top_p,
                "seed": params.seed,
            }
        )
    return pd.DataFrame(rows, columns=RESPONSE_SCHEMA.names)


def metrics(table: pd.DataFrame) -> Metrics:
    """Figures over all answers; a duplicate repeats an earlier answer to the same prompt."""
    lengths = table["token_ids"].map(len)
    repeated = table.duplicated(["prompt_id", "text"])
    return {
        "responses": len(table),
        "tokens": int(lengths.sum()),
        "mean_tokens": round(float(lengths.mean()), 3),
        "share_stopped": round(float((table["finish_reason"] == "stop").mean()), 6),
        "share_duplicates": round(float(repeated.mean()), 6),
    }


def run(params: Params, model: Path, prompts: Path, output: Path) -> Metrics:
    """Write `responses.parquet`: every answer with what made it."""
    policy, tokenizer = load_model(model), Tokenizer.load(model / "tokenizer")
    asked = [prompt for prompt in read_records(prompts, Prompt) if prompt.split in SPLITS]
    rendered = [render_prompt(prompt.messages, tokenizer) for prompt in asked]
    kept = fitting(asked, rendered, policy.config.context_length - params.max_new_tokens)
    if not kept:
        remedy = f"Of {len(asked)} none leaves room for an answer: compose more, or lower sample.max_new_tokens."
        raise StageError(ExitCode.DATA, "no prompt to answer", str(prompts), remedy)
    numbers = range(len(params.temperatures))
    total = len(kept) * len(numbers)
    with Progress("sample", total=total, unit="answer") as progress:
        generations = generate(
            policy,
            [ids for _, ids in kept for _ in numbers],
            max_new_tokens=params.max_new_tokens,
            temperature=params.temperatures * len(kept),
            top_p=params.top_p,
            stop_id=tokenizer.end,
            keys=[key_hash(params.seed, prompt.id, number) for prompt, _ in kept for number in numbers],
            batch_size=params.batch_size,
            progress=progress.update,
        )
    table = responses([prompt for prompt, _ in kept], generations, tokenizer, model_hash(model), params)
    write_table(output / "responses.parquet", table, RESPONSE_SCHEMA)
    splits = [prompt.split for prompt, _ in kept]
    return {
        "prompts_too_long": len(asked) - len(kept),
        **{f"prompts_{split}": splits.count(split) for split in SPLITS},
        **metrics(table),
    }


if __name__ == "__main__":
    command("sample", run)

"""Measure what every trained stage gained: the same figures for all four models, with intervals and baselines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model, load_scalar_model, write_json
from stages.model.transformer import Transformer
from stages.parameters import Metrics
from stages.preferences.records import Preference
from stages.progress import Progress
from stages.scoring.answers import Answer, answers_of, fitting
from stages.scoring.behaviour import contest_figures, quality_figures, stance_figures
from stages.scoring.claims import Goals, claims, verdicts
from stages.scoring.divergence import divergence_figures
from stages.scoring.fewshot import example_pools
from stages.scoring.held_out import HeldOut, HeldOutSettings, held_out, read_tested, stretches
from stages.scoring.intervals import Figure
from stages.scoring.language import language_figures, n_gram_models, rows_read
from stages.scoring.likelihood import scorer
from stages.scoring.pairs import reward_figures
from stages.scoring.results import flat_metrics, samples, summary, write_stage_rows
from stages.scoring.settings import MeasuringSettings
from stages.scoring.tasks import Choice, choices_of, read_items, task_figures
from stages.text.conversations import render_prompt
from stages.text.demonstrations import ChoiceItem, Demonstration, Prompt
from stages.text.records import read_records, write_records
from stages.text.tokenizer import Tokenizer

CLAIMED_ORDER = 3
"""Of the n-gram model that the base model is claimed to beat."""


def with_claimed_order(orders: tuple[int, ...]) -> tuple[int, ...]:
    """The orders, among which must be that of the claim."""
    if CLAIMED_ORDER not in orders:
        raise ValueError(f"needs {CLAIMED_ORDER}, which a claim is about")
    return orders


class Params(MeasuringSettings, HeldOutSettings):
    """What is measured, on how much, and what it is held against."""

    kneser_ney_orders: Annotated[tuple[PositiveInt, ...], AfterValidator(with_claimed_order)]
    """Orders of the n-gram models that stand beside the base model; 3 is the one that a claim is about."""
    example_pool: int = Field(gt=0)
    """Shortest demonstrations of each stance from which the three examples of a plain request are drawn."""
    max_items: int = Field(gt=0)
    """Items of each choice task."""
    plain_prompts: int = Field(gt=0)
    """Test prompts, the first by a hash of their ids, that are put to the models that only continue text, whose
    requests are four times as long; the divergence of PPO is measured on the same."""
    max_preferences: int = Field(gt=0)
    """Test rankings on which the reward model is measured, the first by a hash of their ids."""
    samples_per_kind: int = Field(ge=0)
    """Test prompts of each kind whose answers are kept to be read."""
    goals: Goals


@dataclass(frozen=True)
class Part:
    """Figures of one kind, and the conditions under which they were measured."""

    figures: dict[str, Figure]
    setting: dict[str, float | int]


def likelihood_part(
    params: Params,
    models: Mapping[str, Transformer],
    read: Sequence[np.ndarray],
    measured: HeldOut,
    items: Sequence[ChoiceItem],
    tokenizer: Tokenizer,
) -> tuple[Part, dict[str, list[Choice]]]:
    """What every model finds likely, beside n-gram models of the tokens that the base model read."""
    scorers = {name: scorer(model) for name, model in models.items()}
    baselines = n_gram_models(read, params.kneser_ney_orders, tokenizer.vocabulary_size)
    figures = language_figures(scorers, baselines, measured, tokenizer, params.resampling)
    choices = choices_of({**scorers, **baselines}, items, tokenizer)
    figures |= task_figures(choices, items, params.resampling)
    setting = {
        "max_overlap": params.max_overlap,
        "overlap_order": params.overlap_order,
        "test_documents": len(measured.test),
        "new_test_documents": int(measured.is_novel.sum()),
        "domain_test_documents": len(measured.domain_test),
        "kneser_ney_tokens": sum(map(len, read)),
    }
    return Part(figures, setting), choices


def answer_part(
    params: Params,
    models: Mapping[str, Transformer],
    answers: Mapping[str, list[Answer]],
    prompts: Sequence[Prompt],
    tokenizer: Tokenizer,
) -> Part:
    """What the answers show, and how far PPO has moved on its own."""
    figures = quality_figures(answers, params.resampling)
    figures |= contest_figures(answers, params.resampling)
    figures |= stance_figures(answers, prompts, params.resampling)
    figures |= divergence_figures(
        models["ppo"],
        models["instruct"],
        [render_prompt(prompt.messages, tokenizer) for prompt in prompts[: params.plain_prompts]],
        [answer.token_ids for answer in answers["ppo"][: params.plain_prompts]],
        params.sampling.temperature,
        params.resampling,
    )
    sampling = params.sampling
    return Part(
        figures,
        {"temperature": sampling.temperature, "max_new_tokens": sampling.max_new_tokens, "prompts": len(prompts)},
    )


def run(
    params: Params,
    pretrain: Path,
    finetune: Path,
    instruct: Path,
    ppo: Path,
    reward: Path,
    prompts: Path,
    demonstrations: Path,
    tasks: Path,
    train: Path,
    test: Path,
    domain_test: Path,
    preferences: Path,
    agreement: Path,
    output: Path,
) -> Metrics:
    """Measure the four models; write `results.json`, every answer, and a row per model for plots."""
    folders = {"pretrain": pretrain, "finetune": finetune, "instruct": instruct, "ppo": ppo}
    models = {name: load_model(folder) for name, folder in folders.items()}
    tokenizer = Tokenizer.load(pretrain / "tokenizer")
    with Progress("evaluate", total=3, unit="part") as progress:
        read = stretches(train, rows_read(pretrain, train))
        measured = held_out(train, test, domain_test, params, params.seed)
        items = read_items(tasks, params.max_items, params.seed)
        likelihood, choices = likelihood_part(params, models, read, measured, items, tokenizer)
        progress.update(1)
        context = models["ppo"].config.context_length
        asked = fitting(read_tested(prompts, Prompt, params.seed), tokenizer, context, params.sampling)
        if not asked:
            remedy = "Compose more, or lower evaluate.sampling.max_new_tokens."
            raise StageError(ExitCode.DATA, "no test prompt leaves room for an answer", str(prompts), remedy)
        pools = example_pools(read_records(demonstrations, Demonstration), params.example_pool)
        answers = answers_of(models, asked, params.plain_prompts, pools, tokenizer, params.sampling, params.seed)
        answered = answer_part(params, models, answers, asked, tokenizer)
        progress.update(2)
        judges = json.loads(agreement.read_text(encoding="utf-8"))
        ranked = read_tested(preferences, Preference, params.seed)[: params.max_preferences]
        scalar = load_scalar_model(reward)
        rewarded, reliability = reward_figures(scalar, ranked, judges["ceiling"], tokenizer, params.resampling)
        progress.update(3)
    figures = likelihood.figures | answered.figures | rewarded
    stated = claims(params.goals, figures["bits_per_byte.novel_test.xz"].value)
    setting = params.resampling.model_dump() | likelihood.setting | answered.setting
    setting["simulated_judgements_share"] = judges["simulated_share"]
    shown = samples(answers, asked, params.samples_per_kind)
    results = summary(list(models), figures, verdicts(stated, figures), setting, reliability, shown)
    write_json(output / "results.json", results)
    write_records(output / "choices.jsonl", [choice for made in choices.values() for choice in made])
    write_records(output / "answers.jsonl", [answer for written in answers.values() for answer in written])
    write_stage_rows(output / "stages.csv", list(models), figures)
    return flat_metrics(figures, [claim.figure for claim in stated])


if __name__ == "__main__":
    command("evaluate", run)

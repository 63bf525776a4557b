"""Measure what every trained stage gained: the same figures for all four models, with intervals and baselines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from stages.command import command
from stages.model.checkpoint import load_model, load_scalar_model, write_json
from stages.model.transformer import Transformer
from stages.parameters import Metrics, Section
from stages.preferences.records import Preference
from stages.progress import Progress
from stages.scoring.answers import Answer, Sampling, conversation_answers, fitting, plain_text_answers
from stages.scoring.behaviour import contest_figures, quality_figures, stance_figures
from stages.scoring.claims import Goals, claims, verdicts
from stages.scoring.divergence import divergence_figures
from stages.scoring.fewshot import example_pools
from stages.scoring.held_out import overlaps, shuffled_documents, stretches, within
from stages.scoring.intervals import Figure, Resampling
from stages.scoring.language import HeldOut, language_figures, n_gram_models, rows_read
from stages.scoring.likelihood import scorer
from stages.scoring.pairs import reward_figures
from stages.scoring.results import flat_metrics, samples, write_stage_rows
from stages.scoring.tasks import Choice, choices_of, read_items, task_figures
from stages.seeding import key_hash
from stages.text.conversations import render_prompt
from stages.text.demonstrations import ChoiceItem, Demonstration, Prompt
from stages.text.records import read_records, write_records
from stages.text.shards import documents
from stages.text.tokenizer import Tokenizer

CONVERSATION_MODELS = ("instruct", "ppo")
"""The models that were taught conversations; the others are asked in plain text."""


class Params(Section):
    """What is measured, on how much, and what it is held against."""

    seed: int
    """Seed of the choice of documents and items, of answers, of examples and of resamples."""
    resamples: int = Field(gt=0)
    """Bootstrap resamples behind an interval."""
    confidence: float = Field(gt=0, lt=1)
    """Share of resamples inside an interval."""
    max_tokens: int = Field(gt=0)
    """Tokens of the test documents, and of the domain's, that are measured on."""
    max_overlap: float = Field(ge=0, le=1)
    """A test document is new if less than this share of its n-grams occurs in the training part."""
    overlap_order: int = Field(gt=0)
    """Tokens of such an n-gram; 13 as in Brown et al. 2020, appendix C."""
    kneser_ney_orders: tuple[int, ...] = Field(min_length=1)
    """Orders of the n-gram models that stand beside the base model; 3 is the one that a claim is about."""
    sampling: Sampling
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

    @property
    def resampling(self) -> Resampling:
        """How intervals are drawn."""
        return Resampling(resamples=self.resamples, confidence=self.confidence, seed=self.seed)


@dataclass(frozen=True)
class Part:
    """Figures of one kind, and the conditions under which they were measured."""

    figures: dict[str, Figure]
    setting: Mapping[str, float | int]


def read_test_prompts(path: Path, seed: int) -> list[Prompt]:
    """The prompts that nothing was trained on or chosen by, in the order of a hash of their ids."""
    prompts = [prompt for prompt in read_records(path, Prompt) if prompt.split == "test"]
    return sorted(prompts, key=lambda prompt: (key_hash(seed, prompt.id), prompt.id))


def read_test_preferences(path: Path, limit: int, seed: int) -> list[Preference]:
    """At most `limit` test rankings, the first by a hash of their ids."""
    ranked = [preference for preference in read_records(path, Preference) if preference.split == "test"]
    return sorted(ranked, key=lambda preference: (key_hash(seed, preference.id), preference.id))[:limit]


def held_out(params: Params, train: Path, test: Path, domain_test: Path) -> HeldOut:
    """The documents to measure on, and which of the general ones are new."""
    general, domain = (
        within(shuffled_documents(folder, params.seed), params.max_tokens) for folder in (test, domain_test)
    )
    trained = np.concatenate([tokens for _, tokens in documents(train)])
    # A document too short to hold an n-gram cannot be shown to be new; NaN compares as false.
    return HeldOut(general, overlaps(general, trained, params.overlap_order) < params.max_overlap, domain)


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


def answers_of(
    params: Params,
    models: Mapping[str, Transformer],
    prompts: Sequence[Prompt],
    demonstrations: Sequence[Demonstration],
    tokenizer: Tokenizer,
) -> dict[str, list[Answer]]:
    """Every model's answers to the prompts, or to the first of them."""
    pools = example_pools(demonstrations, params.example_pool)
    first = prompts[: params.plain_prompts]
    return {
        name: conversation_answers(name, model, prompts, tokenizer, params.sampling, params.seed)
        if name in CONVERSATION_MODELS
        else plain_text_answers(name, model, first, pools, tokenizer, params.sampling, params.seed)
        for name, model in models.items()
    }


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


def summary(
    params: Params,
    models: Sequence[str],
    figures: Mapping[str, Figure],
    setting: Mapping[str, float | int],
    reliability: Sequence[Mapping[str, float]],
    shown: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What `results.json` holds: every figure by name, and whether the figures bear the claims out."""
    stated = claims(params.goals, figures["bits_per_byte.novel_test.xz"].value)
    return {
        "schema_version": 1,
        "models": models,
        "setting": {**params.model_dump(include={"seed", "resamples", "confidence"}), **setting},
        "figures": {name: asdict(figure) for name, figure in figures.items()},
        "claims": verdicts(stated, figures),
        "tables": {"reward_reliability": reliability},
        "samples": shown,
    }


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
        measured = held_out(params, train, test, domain_test)
        items = read_items(tasks, params.max_items, params.seed)
        likelihood, choices = likelihood_part(params, models, read, measured, items, tokenizer)
        progress.update(1)
        context = models["ppo"].config.context_length
        asked = fitting(read_test_prompts(prompts, params.seed), tokenizer, context, params.sampling)
        answers = answers_of(params, models, asked, read_records(demonstrations, Demonstration), tokenizer)
        answered = answer_part(params, models, answers, asked, tokenizer)
        progress.update(2)
        judges = json.loads(agreement.read_text(encoding="utf-8"))
        ranked = read_test_preferences(preferences, params.max_preferences, params.seed)
        scalar = load_scalar_model(reward)
        rewarded, reliability = reward_figures(scalar, ranked, judges["ceiling"], tokenizer, params.resampling)
        progress.update(3)
    figures = likelihood.figures | answered.figures | rewarded
    setting = {**likelihood.setting, **answered.setting, "simulated_judgements_share": judges["simulated_share"]}
    shown = samples(answers, asked, params.samples_per_kind)
    results = summary(params, list(models), figures, setting, reliability, shown)
    write_json(output / "results.json", results)
    write_records(output / "choices.jsonl", [choice for made in choices.values() for choice in made])
    write_records(output / "answers.jsonl", [answer for written in answers.values() for answer in written])
    write_stage_rows(output / "stages.csv", list(models), figures)
    return flat_metrics(figures, [claim["figure"] for claim in results["claims"]])


if __name__ == "__main__":
    command("evaluate", run)

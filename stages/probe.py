"""Look for what the trained models get wrong: invention, bias, cutoff, memorisation, calibration, safety, mimicry."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from stages.command import command
from stages.model.checkpoint import load_model, write_json
from stages.model.transformer import Transformer
from stages.parameters import Metrics
from stages.progress import Progress
from stages.scoring.answers import Answer
from stages.scoring.held_out import shuffled_documents, within
from stages.scoring.intervals import Resampling
from stages.scoring.likelihood import scorer
from stages.scoring.limits.bias import group_preference
from stages.scoring.limits.confidence import answer_confidence, choice_calibration
from stages.scoring.limits.cutoff import admits_newer, newer_text
from stages.scoring.limits.finding import Finding
from stages.scoring.limits.hallucination import invented_names, unsupported_claims
from stages.scoring.limits.memorisation import Verbatim, canary_exposure, continuable, verbatim_continuation
from stages.scoring.limits.mimicry import false_claim_findings, swayed_answers
from stages.scoring.limits.safety import declines_by_category, over_refusal
from stages.scoring.settings import MeasuringSettings
from stages.scoring.tasks import Choice
from stages.text.demonstrations import Canary, Prompt
from stages.text.records import read_records
from stages.text.tokenizer import Tokenizer

ANSWERING = ("instruct", "ppo")
"""The models that people would ask."""

COMPARED = ("pretrain", "ppo")
"""The first and the last model, for what is measured by likelihood."""

CHOOSING = ("pretrain", "instruct", "ppo")
"""The models whose calibration is compared: preference training is known to change it."""


class Params(MeasuringSettings):
    """How much is looked at."""

    max_tokens: int = Field(gt=0)
    """Tokens of the documents from after the cutoff, and of test documents beside them."""
    verbatim: Verbatim
    questions: int = Field(gt=0)
    """Test prompts to which a false claim is added."""


def answered(
    prompts: Sequence[Prompt], written: Sequence[Answer], models: Sequence[str]
) -> tuple[list[Prompt], dict[str, list[Answer]]]:
    """The prompts that evaluate put to the models, and the answers of each in that order."""
    by_model = {model: {one.prompt_id: one for one in written if one.model == model} for model in models}
    asked = [prompt for prompt in prompts if all(prompt.id in answers for answers in by_model.values())]
    return asked, {model: [answers[prompt.id] for prompt in asked] for model, answers in by_model.items()}


def choices_made(path: Path) -> dict[str, list[Choice]]:
    """The choices of each compared model."""
    made = read_records(path, Choice)
    return {model: [choice for choice in made if choice.model == model] for model in CHOOSING}


def answer_findings(
    prompts: Sequence[Prompt], answers: Mapping[str, Sequence[Answer]], resampling: Resampling
) -> list[Finding]:
    """What the answers to the test prompts show."""
    return [
        invented_names(prompts, answers, resampling),
        *unsupported_claims(prompts, answers, resampling),
        admits_newer(prompts, answers, resampling),
        declines_by_category(prompts, answers, resampling),
        over_refusal(prompts, answers, resampling),
        answer_confidence(prompts, answers, resampling),
    ]


def memory_findings(
    params: Params, models: Mapping[str, Transformer], canaries: Path, train: Path, test: Path, tokenizer: Tokenizer
) -> list[Finding]:
    """What the models remember word for word."""
    scorers = {name: scorer(model) for name, model in models.items()}
    parts = {
        "training documents": continuable(shuffled_documents(train, params.seed), params.verbatim),
        "test documents": continuable(shuffled_documents(test, params.seed), params.verbatim),
    }
    batch_size, resampling = params.sampling.batch_size, params.resampling
    return [
        canary_exposure(scorers, read_records(canaries, Canary), tokenizer, resampling),
        verbatim_continuation(models, parts, params.verbatim, tokenizer, batch_size, resampling),
    ]


def likelihood_findings(
    params: Params,
    models: Mapping[str, Transformer],
    newer: Sequence[np.ndarray],
    older: Sequence[np.ndarray],
    tokenizer: Tokenizer,
) -> list[Finding]:
    """What the models find likely."""
    scorers = {name: scorer(model) for name, model in models.items()}
    after, before = (within(documents, params.max_tokens) for documents in (newer, older))
    return [
        group_preference(scorers, tokenizer, params.resampling),
        newer_text(scorers, after, before, tokenizer.token_bytes(), params.resampling),
    ]


def metrics(findings: Sequence[Finding]) -> Metrics:
    """Every figure that was measured, by finding and label."""
    return {
        re.sub(r"\W+", "_", f"{finding.name} {label}").strip("_"): figure.value
        for finding in findings
        for label, figure in finding.figures.items()
        if figure.value is not None
    }


def run(
    params: Params,
    pretrain: Path,
    instruct: Path,
    ppo: Path,
    prompts: Path,
    answers: Path,
    choices: Path,
    canaries: Path,
    train: Path,
    test: Path,
    after_cutoff: Path,
    output: Path,
) -> Metrics:
    """Write `results.json`: one finding per question, with figures, examples, and what they cannot say."""
    folders = {"pretrain": pretrain, "instruct": instruct, "ppo": ppo}
    models = {name: load_model(folder) for name, folder in folders.items()}
    tokenizer, resampling = Tokenizer.load(pretrain / "tokenizer"), params.resampling
    compared = {name: models[name] for name in COMPARED}
    asked, written = answered(read_records(prompts, Prompt), read_records(answers, Answer), ANSWERING)
    with Progress("probe", total=4, unit="part") as progress:
        calibrated, reliability = choice_calibration(choices_made(choices), resampling)
        findings = [*answer_findings(asked, written, resampling), calibrated]
        progress.update(1)
        answering = {name: models[name] for name in ANSWERING}
        swayed = swayed_answers(answering, asked, params.questions, tokenizer, params.sampling, params.seed)
        findings += false_claim_findings(swayed, resampling)
        progress.update(2)
        newer, older = (shuffled_documents(folder, params.seed) for folder in (after_cutoff, test))
        findings += likelihood_findings(params, compared, newer, older, tokenizer)
        progress.update(3)
        findings += memory_findings(params, compared, canaries, train, test, tokenizer)
        progress.update(4)
    results = {
        "schema_version": 1,
        "seed": params.seed,
        "resamples": params.resamples,
        "confidence": params.confidence,
        "findings": [finding.record() for finding in findings],
        "tables": {"choice_reliability": reliability},
    }
    write_json(output / "results.json", results)
    return metrics(findings)


if __name__ == "__main__":
    command("probe", run)

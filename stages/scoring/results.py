"""The outputs of a measuring stage: figures as flat metrics, rows for plots, and answers to be read."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.parameters import Metrics
from stages.scoring.answers import Answer
from stages.scoring.behaviour import Answers
from stages.scoring.intervals import Figure
from stages.text.demonstrations import Prompt

STAGE_MEASURES = (
    "bits_per_byte.test",
    "bits_per_byte.domain_test",
    "choice_accuracy.all",
    "hidden_score",
    "helpfulness",
    "accuracy",
    "tone",
    "safety",
    "stop_share",
)
"""What is plotted from stage to stage."""


def metric_name(name: str) -> str:
    """The key of a figure among a stage's metrics."""
    return name.replace(".", "_")


def flat_metrics(figures: Mapping[str, Figure], with_intervals: Sequence[str]) -> Metrics:
    """The value of every figure that was measured, and the interval and count of the named ones."""
    metrics: Metrics = {}
    for name, figure in figures.items():
        if figure.value is not None:
            metrics[metric_name(name)] = figure.value
        if name in with_intervals and figure.low is not None and figure.high is not None:
            key = metric_name(name)
            metrics |= {f"{key}_low": figure.low, f"{key}_high": figure.high, f"{key}_n": figure.n}
    return metrics


def write_stage_rows(path: Path, models: Sequence[str], figures: Mapping[str, Figure]) -> None:
    """A CSV with a row per model and a column per measure, for plots; what was not measured is left empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["stage", *map(metric_name, STAGE_MEASURES)])
        for model in models:
            values = [figures.get(f"{measure}.{model}") for measure in STAGE_MEASURES]
            table.writerow([model, *("" if one is None or one.value is None else one.value for one in values)])


def summary(
    models: Sequence[str],
    figures: Mapping[str, Figure],
    verdicts: Sequence[Mapping[str, object]],
    setting: Mapping[str, float | int],
    reward_reliability: Sequence[Mapping[str, float]],
    shown: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What `results.json` holds: every figure by name, and whether the figures bear the claims out."""
    return {
        "schema_version": 1,
        "models": models,
        "setting": setting,
        "figures": {name: asdict(figure) for name, figure in figures.items()},
        "claims": verdicts,
        "tables": {"reward_reliability": reward_reliability},
        "samples": shown,
    }


def samples(answers: Answers, prompts: Sequence[Prompt], per_kind: int) -> list[dict[str, Any]]:
    """The first prompts of each kind that every model answered, with the answers."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for place in range(min(map(len, answers.values()))):
        kinds[prompts[place].kind].append(place)
    return [
        _sample(prompts[place], {model: written[place] for model, written in answers.items()})
        for kind in sorted(kinds)
        for place in kinds[kind][:per_kind]
    ]


def _sample(prompt: Prompt, written: Mapping[str, Answer]) -> dict[str, Any]:
    return {
        "prompt_id": prompt.id,
        "kind": prompt.kind,
        "category": prompt.category,
        "expects": prompt.expects,
        "prompt": prompt.messages[-1].content,
        "reference": prompt.reference,
        "answers": {
            model: {"text": answer.text, "score": answer.score, "finish_reason": answer.finish_reason}
            for model, answer in written.items()
        },
    }

"""Choice tasks: which of several continuations a model finds most likely."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from stages.scoring.intervals import Figure, Resampling, share, single
from stages.scoring.likelihood import Continuations, LogProbabilities, continuation_nats
from stages.seeding import key_hash
from stages.text.demonstrations import ChoiceItem
from stages.text.records import Record, read_records
from stages.text.tokenizer import Tokenizer


def read_items(folder: Path, max_items: int, seed: int) -> list[ChoiceItem]:
    """At most `max_items` of each task under `folder`, chosen by a hash of their ids."""
    items: list[ChoiceItem] = []
    for path in sorted(folder.glob("*.jsonl")):
        task = read_records(path, ChoiceItem)
        items += sorted(task, key=lambda item: (key_hash(seed, "item", item.id), item.id))[:max_items]
    return items


class Choice(Record):
    """What a model makes of one item."""

    schema_version: Literal[1] = 1
    item_id: str
    task: str
    model: str
    is_right: bool
    confidence: float
    """Probability of the chosen continuation among those offered."""


def choice_nats(
    log_probabilities: LogProbabilities, items: Sequence[ChoiceItem], tokenizer: Tokenizer
) -> list[np.ndarray]:
    """Nats per UTF-8 byte [choices] of each continuation of each item.

    Divided by bytes, so that a long continuation is not unlikely for its length alone and tokenizers compare.
    """
    asked = [Continuations(item.context, item.choices) for item in items]
    return [
        nats / np.array([len(choice.encode()) for choice in item.choices])
        for item, nats in zip(items, continuation_nats(log_probabilities, asked, tokenizer), strict=True)
    ]


def choose(item: ChoiceItem, model: str, nats_per_byte: np.ndarray) -> Choice:
    """The likeliest continuation; the first of equals."""
    chosen = int(nats_per_byte.argmax())
    # A typical continuation of this set decides the scale: probabilities per byte alone would all look alike.
    scale = np.mean([len(choice.encode()) for choice in item.choices])
    weights = np.exp((nats_per_byte - nats_per_byte.max()) * scale)
    return Choice(
        item_id=item.id,
        task=item.task,
        model=model,
        is_right=chosen == item.answer,
        confidence=round(float(weights[chosen] / weights.sum()), 6),
    )


def choices_of(
    scorers: Mapping[str, LogProbabilities], items: Sequence[ChoiceItem], tokenizer: Tokenizer
) -> dict[str, list[Choice]]:
    """Every model's choices, in the order of the items."""
    return {
        model: [
            choose(item, model, nats)
            for item, nats in zip(items, choice_nats(log_probabilities, items, tokenizer), strict=True)
        ]
        for model, log_probabilities in scorers.items()
    }


def chance(items: Sequence[ChoiceItem]) -> float:
    """Mean accuracy of a guess."""
    return float(np.mean([1 / len(item.choices) for item in items]))


def task_figures(
    choices: Mapping[str, Sequence[Choice]], items: Sequence[ChoiceItem], resampling: Resampling
) -> dict[str, Figure]:
    """Accuracy of each model on each task and on all, with that of a guess beside it."""
    figures = {}
    for task in ["all", *sorted({item.task for item in items})]:
        for model, made in choices.items():
            is_right = [one.is_right for one in made if task in ("all", one.task)]
            figures[f"choice_accuracy.{task}.{model}"] = share(is_right, resampling, "items")
        offered = [item for item in items if task in ("all", item.task)]
        if offered:
            figures[f"choice_accuracy.{task}.chance"] = single(chance(offered), len(offered), "items")
    return figures

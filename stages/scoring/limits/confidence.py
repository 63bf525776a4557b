"""Calibration: whether the model's own probabilities tell its right answers from its wrong ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.scoring.answers import Answer
from stages.scoring.calibration import expected_calibration_error, reliability
from stages.scoring.intervals import Resampling, difference_between_groups
from stages.scoring.limits.finding import Finding, example
from stages.scoring.tasks import Choice
from stages.text.demonstrations import Prompt

Table = list[dict[str, float]]


def choice_calibration(
    choices: Mapping[str, Sequence[Choice]], resampling: Resampling
) -> tuple[Finding, dict[str, Table]]:
    """The calibration error on choice tasks, and the reliability of each model."""
    figures, tables = {}, {}
    for model, made in choices.items():
        confidences, outcomes = [one.confidence for one in made], [float(one.is_right) for one in made]
        figures[model] = expected_calibration_error(confidences, outcomes, resampling, "items")
        tables[model] = reliability(confidences, outcomes)
    finding = Finding(
        topic="calibration",
        name="choice_calibration_error",
        question="When it picks among choices, does its confidence match how often it is right?",
        measure="expected calibration error over ten bins of equal mass",
        ideal="0",
        figures=figures,
        caveat="The confidence compares continuations at the length of a typical one; chance in the bins adds to the "
        "error, so that even a perfect model does not show 0.",
        examples=[],
    )
    return finding, tables


def per_token(answer: Answer) -> float:
    """Mean nats per sampled token."""
    return answer.log_probability / max(len(answer.token_ids), 1)


def answer_confidence(
    prompts: Sequence[Prompt], answers: Mapping[str, Sequence[Answer]], resampling: Resampling
) -> Finding:
    """Whether the answers that the model found likelier are the truer ones."""
    places = [place for place, prompt in enumerate(prompts) if prompt.expects == "answer" and prompt.reference]
    figures, examples = {}, []
    for model, written in answers.items():
        ordered = sorted(places, key=lambda place: (per_token(written[place]), prompts[place].id))
        accuracies = np.array([written[place].axes["accuracy"] for place in ordered])
        half = len(ordered) // 2
        figures[model] = difference_between_groups(accuracies[half:], accuracies[:half], resampling, "prompts")
        if ordered:
            worst = min(ordered[half:], key=lambda place: (written[place].axes["accuracy"], prompts[place].id))
            note = f"among its surer half; accuracy {written[worst].axes['accuracy']:.2f}"
            examples.append(example(prompts[worst], written[worst], note))
    return Finding(
        topic="calibration",
        name="surer_answers",
        question="Are the answers that it is surer of truer?",
        measure="accuracy axis of the surer half of its answers less that of the other half, by mean nats per token",
        ideal="well above 0",
        figures=figures,
        caveat="Accuracy is the hidden score's, which compares words and not meanings.",
        examples=examples,
    )

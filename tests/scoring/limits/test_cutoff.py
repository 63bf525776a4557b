import math

import numpy as np
import pytest

from stages.scoring.limits.cutoff import admits_newer, newer_text
from tests.scoring.limits.conftest import ask, say


def test_newer_text_costs_what_it_needs_more_per_byte(resampling):
    def known(documents):  # tokens from 10 on are new and cost 3 bits, others 1
        return [np.where(document[1:] >= 10, -3.0, -1.0) * math.log(2) for document in documents]

    newer, older = [np.array([0, 10, 11])] * 3, [np.array([0, 5, 6, 7])] * 2
    figure = newer_text({"ppo": known}, newer, older, np.full(20, 2), resampling).figures["ppo"]
    assert figure.value == pytest.approx(3 / 2 - 1 / 2)
    assert (figure.low, figure.high, figure.n) == (1.0, 1.0, 5)


def test_without_newer_text_nothing_is_measured(resampling):
    finding = newer_text(
        {"ppo": lambda documents: [np.zeros(1) for _ in documents]}, [], [np.array([0, 1])], np.ones(3), resampling
    )
    assert finding.figures["ppo"].value is None


def test_admissions_count_by_category_and_a_failure_is_shown(phrases, resampling):
    prompts = [
        ask("a", "after_cutoff", "admit"),
        ask("b", "after_cutoff", "admit"),
        ask("c", "future_version", "admit"),
    ]
    texts = [phrases["admit"], phrases["tell"], phrases["admit"]]
    answers = {"ppo": [say(prompt.id, text) for prompt, text in zip(prompts, texts, strict=True)]}
    finding = admits_newer(prompts, answers, resampling)
    assert {label: figure.value for label, figure in finding.figures.items()} == {
        "ppo, after cutoff": 0.5,
        "ppo, future version": 1.0,
    }
    assert [example.answer for example in finding.examples] == [phrases["tell"]]

"""The simulated panel follows the hidden score, with the noise, ties and biases it is given."""

from collections import Counter

import pytest

from stages.preferences.annotators import Panel, judge, judge_all, members, ranks_from
from stages.preferences.records import ShownAnswer
from stages.text.demonstrations import Prompt
from tests import specimens

NO_NOISE = Panel(
    annotators=5,
    judges_per_prompt=3,
    noise=0.0,
    severity=0.0,
    tie_width=0.01,
    careless_share=0.0,
    position_bias=0.0,
)


def prompt(name: str) -> Prompt:
    question = "What does `pkg.size(G)` do?"
    return specimens.prompt(name, question, split="rank", reference="Return the number of edges.")


def answer(name: str, text: str) -> ShownAnswer:
    return ShownAnswer(response_id=name, text=text, token_ids=(7, 1), finish_reason="stop", model_hash="m")


ANSWERS = [answer("good", "Return the number of edges."), answer("fair", "Return the number."), answer("bad", "tree")]


def ranking(panel: Panel, name: str) -> dict[str, int]:
    judgement = judge(panel, 1, 0, prompt(name), ANSWERS, "tokenizer", "guideline")
    return {shown.response_id: rank for shown, rank in zip(judgement.answers, judgement.ranks, strict=True)}


def test_near_impressions_are_ties_and_ranks_count_those_above():
    assert ranks_from([0.5, 0.9, 0.48, 0.1], 0.05) == (2, 1, 2, 4)
    assert ranks_from([0.5, 0.5], 0.01) == (1, 1)


def test_without_noise_the_ranking_is_that_of_the_hidden_score():
    assert all(ranking(NO_NOISE, f"p{number}") == {"good": 1, "fair": 2, "bad": 3} for number in range(10))


def test_judgements_are_marked_simulated_and_say_what_was_shown():
    judgement = judge(NO_NOISE, 1, 2, prompt("p"), ANSWERS, "tokenizer", "guideline")
    assert judgement.simulated
    assert judgement.annotator == "simulated-3"
    assert judgement.seconds is None
    assert {shown.response_id for shown in judgement.answers} == {"good", "fair", "bad"}
    assert all(1 <= mark <= 5 for ratings in judgement.ratings for mark in ratings.model_dump().values())
    assert judgement == judge(NO_NOISE, 1, 2, prompt("p"), ANSWERS, "tokenizer", "guideline")


def test_noise_turns_some_rankings_and_carelessness_most():
    noisy = NO_NOISE.model_copy(update={"noise": 0.2})
    careless = NO_NOISE.model_copy(update={"careless_share": 1.0})
    right = [
        sum(ranking(panel, f"p{number}")["good"] == 1 for number in range(200)) / 200
        for panel in (NO_NOISE, noisy, careless)
    ]
    assert right[0] == 1.0
    assert 0.6 < right[1] < 1.0
    assert right[2] == pytest.approx(1 / 3, abs=0.12)


def test_the_shown_order_varies_and_a_position_bias_helps_the_first():
    biased = NO_NOISE.model_copy(update={"position_bias": 1.0})
    shown_first = Counter()
    for number in range(60):
        judgement = judge(biased, 1, 0, prompt(f"p{number}"), ANSWERS, "tokenizer", "guideline")
        shown_first[judgement.answers[0].response_id] += 1
        assert judgement.ranks[0] == 1
    assert min(shown_first.values()) > 5


def test_each_prompt_has_its_share_of_judges_and_one_answer_is_not_ranked():
    assert len(members(NO_NOISE, 1, "p")) == 3
    answers = {"p": ANSWERS, "q": ANSWERS[:1]}
    judgements = judge_all(NO_NOISE, 1, [prompt("p"), prompt("q"), prompt("r")], answers, "tokenizer", "guideline")
    assert [judgement.prompt_id for judgement in judgements] == ["p"] * 3

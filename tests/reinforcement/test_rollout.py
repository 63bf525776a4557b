"""Which prompts an update sees, and what is sampled for them."""

import pytest

from stages.errors import ExitCode, StageError
from stages.reinforcement.rollout import Question, RolloutSettings, drawn_questions, prepare_questions, roll_out
from stages.text.tokenizer import Tokenizer
from tests.specimens import fresh_model, prompt, small_config

QUESTIONS = [Question(str(number), "", [0, number + 6]) for number in range(5)]


def test_prompts_that_fit_are_taken_in_order_of_id(tokenizer: Tokenizer) -> None:
    prompts = [prompt("b", "river"), prompt("c", "hills " * 50), prompt("a", "sea")]
    questions = prepare_questions(prompts, tokenizer, longest=40)
    assert [(question.id, question.text) for question in questions] == [("a", "sea"), ("b", "river")]
    assert questions[0].tokens[-1] == tokenizer.assistant


def test_no_prompt_is_a_data_error(tokenizer: Tokenizer) -> None:
    with pytest.raises(StageError) as raised:
        prepare_questions([prompt("a", "hills " * 50)], tokenizer, longest=40)
    assert raised.value.code is ExitCode.DATA


def test_every_pass_takes_each_prompt_once_in_an_order_of_its_own() -> None:
    drawn = [pair for update in range(5) for pair in drawn_questions(QUESTIONS, update, 2, seed=1)]
    passes = [[question.id for number, question in drawn if number == wanted] for wanted in (0, 1)]
    assert sorted(passes[0]) == sorted(passes[1]) == list("01234")
    assert passes[0] != passes[1]


def test_an_update_larger_than_the_prompts_spans_passes() -> None:
    drawn = drawn_questions(QUESTIONS, 0, 7, seed=1)
    assert [number for number, _ in drawn] == [0] * 5 + [1] * 2
    assert len({(number, question.id) for number, question in drawn}) == 7


def test_responses_depend_on_the_pass_and_the_prompt_alone(tokenizer: Tokenizer) -> None:
    model = fresh_model(small_config(tokenizer.vocabulary_size))
    settings = RolloutSettings(episodes=4, max_new_tokens=6, temperature=1.0, batch_size=3)
    drawn = [(0, question) for question in QUESTIONS]
    forward = roll_out(model, drawn, settings, tokenizer, seed=1)
    backward = roll_out(model, drawn[::-1], settings, tokenizer, seed=1)
    other = roll_out(model, [(1, question) for question in QUESTIONS], settings, tokenizer, seed=1)
    assert forward.responses == backward.responses[::-1]
    assert forward.responses != other.responses
    assert forward.sampler_log_probabilities[forward.episodes.mask].max().item() < 0

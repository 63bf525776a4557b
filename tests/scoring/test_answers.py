import pytest

from stages.model.generation import Generation
from stages.scoring import answers
from stages.scoring.answers import Sampling, conversation_answers, fitting, plain_request, plain_text_answers
from stages.scoring.fewshot import example_pools
from stages.text.conversations import render_prompt
from tests.specimens import demonstration, prompt

SAMPLING = Sampling(temperature=0.8, max_new_tokens=20, batch_size=4)


def asked(name, question="What is a node?"):
    return prompt(name, question, reference="A node is part of the graph.")


def pools():
    return example_pools([demonstration("d", "What?", "Nodes.")], 1)


def writing(tokenizer, text, ended):
    """A stand-in for generation that always writes the same."""
    ids = [*tokenizer.encode(text), *[tokenizer.end] * ended]
    return lambda *_: [Generation(ids, "stop" if ended else "length", [-0.5] * len(ids))]


def test_prompts_too_long_for_an_answer_are_left_out(tokenizer):
    short, long = asked("short"), asked("long", "What? " * 60)
    room = len(render_prompt(short.messages, tokenizer))
    assert fitting([short, long], tokenizer, room + 20, SAMPLING) == [short]
    assert fitting([short, long], tokenizer, room + 19, SAMPLING) == []


def test_an_answer_depends_on_its_prompt_and_not_on_its_neighbours(model, tokenizer):
    prompts = [asked(name, f"{name}?") for name in ("a", "bb", "ccc")]
    together = conversation_answers("instruct", model, prompts, tokenizer, SAMPLING, 1)
    alone = conversation_answers("instruct", model, prompts[1:2], tokenizer, SAMPLING, 1)
    assert [one.prompt_id for one in together] == ["a", "bb", "ccc"]
    assert together[1] == alone[0]


def test_a_conversation_answer_keeps_its_end_and_its_probability(model, tokenizer, monkeypatch):
    monkeypatch.setattr(answers, "continuations", writing(tokenizer, "A node is part of the graph.", True))
    [answer] = conversation_answers("instruct", model, [asked("a")], tokenizer, SAMPLING, 1)
    assert answer.text == "A node is part of the graph."
    assert (answer.finish_reason, answer.token_ids[-1]) == ("stop", tokenizer.end)
    assert answer.log_probability == -0.5 * len(answer.token_ids)
    assert answer.score == pytest.approx(1.0)  # the reference itself


def test_plain_text_is_cut_at_the_next_example_which_counts_as_an_end(model, tokenizer, monkeypatch):
    written = " A node is part of the graph.\n\nQuestion: What then?\nAnswer: More"
    monkeypatch.setattr(answers, "continuations", writing(tokenizer, written, False))
    [answer] = plain_text_answers("pretrain", model, [asked("a")], pools(), tokenizer, SAMPLING, 1)
    assert (answer.text, answer.finish_reason) == ("A node is part of the graph.", "stop")
    assert tokenizer.decode(list(answer.token_ids)) == answer.text


def test_plain_text_without_an_end_was_cut_off(model, tokenizer, monkeypatch):
    monkeypatch.setattr(answers, "continuations", writing(tokenizer, " A node is", False))
    [answer] = plain_text_answers("pretrain", model, [asked("a")], pools(), tokenizer, SAMPLING, 1)
    assert (answer.text, answer.finish_reason) == ("A node is", "length")


def test_examples_that_do_not_fit_are_left_out(tokenizer):
    whole = plain_request(asked("a"), pools(), tokenizer, 10_000, 1)
    bare = plain_request(asked("a"), pools(), tokenizer, len(whole) - 1, 1)
    assert whole[0] == bare[0] == tokenizer.bos
    assert tokenizer.decode(whole) == "Question: What?\nAnswer: Nodes.\n\nQuestion: What is a node?\nAnswer:"
    assert tokenizer.decode(bare) == "Question: What is a node?\nAnswer:"
    assert plain_request(asked("a"), pools(), tokenizer, 3, 1) == bare[-3:]

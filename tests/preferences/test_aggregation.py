"""Judgements become preferences: newest first, answers in one order, ranks averaged, votes shared."""

import pytest

from stages.errors import ExitCode, StageError
from stages.preferences.aggregation import faults, grouped, newest, preference, read_judgements, with_tokens
from stages.preferences.records import Judgement, Ratings
from tests import specimens

CURRENT = {"a": "a", "b": "b"}
"""The texts of the current sample's answers, by id."""


def judgement(name: str, shown: str, ranks: tuple[int, ...], **changes) -> Judgement:
    """A judgement of answers named by the letters of `shown`; a is rated 5, everything else 3."""
    marks = [Ratings(helpfulness=5 if letter == "a" else 3, accuracy=None, tone=4, safety=5) for letter in shown]
    return specimens.judgement(name, {letter: letter for letter in shown}, ranks, marks, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"ranks": (1,)}, "1 ranks and 2 ratings of 2 answers"),
        ({"ratings": ()}, "2 ranks and 0 ratings of 2 answers"),
        ({"ranks": (1, 3)}, "ranks 1, 3 do not begin with 1 or pass the number of answers"),
        ({"ranks": (0, 1)}, "ranks 0, 1 do not begin with 1 or pass the number of answers"),
        ({"ranks": (1, 1)}, None),
        ({"ratings": (Ratings(helpfulness=6, accuracy=None, tone=1, safety=1),) * 2}, "a rating is not from 1 to 5"),
    ],
)
def test_what_does_not_fit_together_is_named(tokenizer, changes, problem):
    one = judgement("j", "ab", (1, 2)).model_copy(update=changes)
    assert list(faults(one, tokenizer)) == [problem] * (problem is not None)


def test_answers_must_differ(tokenizer):
    one = judgement("j", "ab", (1, 2))
    twice = one.model_copy(update={"answers": one.answers[:1] * 2})
    assert list(faults(twice, tokenizer)) == ["an answer is there twice"]


@pytest.mark.parametrize("token", [9, -1, 10**9])
def test_ids_of_this_tokenizer_must_spell_their_text(tokenizer, token):
    one = judgement("j", "ab", (1, 2), tokenizer_hash=tokenizer.hash)
    spelt = with_tokens(judgement("j", "ab", (1, 2)), tokenizer)
    answers = (spelt.answers[0], one.answers[1].model_copy(update={"token_ids": (token,)}))
    assert list(faults(spelt, tokenizer)) == []
    assert list(faults(one.model_copy(update={"answers": answers}), tokenizer)) == [
        "token ids do not spell the text of response b"
    ]


def test_every_broken_judgement_is_named_and_none_may_replace_another(tmp_path, tokenizer):
    first = judgement("j", "ab", (1, 2))
    other, unfit = judgement("j", "ab", (2, 1)), judgement("k", "ab", (1, 3))
    (tmp_path / "j.jsonl").write_text("\n".join(one.line() for one in (first, first, unfit, other)) + '\n{"id"')
    with pytest.raises(StageError, match=r"^3 broken lines: ") as caught:
        read_judgements(tmp_path / "j.jsonl", tokenizer)
    assert caught.value.code == ExitCode.DATA
    assert ":3: judgement k: ranks 1, 3 do not begin with 1" in caught.value.where
    assert ":4: judgement j: there is another one of revision 1; " in caught.value.where
    assert ":5: Invalid JSON" in caught.value.where


def test_the_newest_revision_counts_and_known_answers_do_not():
    first, second = judgement("j", "ab", (1, 2)), judgement("j", "ab", (2, 1), revision=2)
    gold = judgement("k", "ab", (1, 2), gold=True)
    assert newest([second, first, gold]) == [second]


def test_shown_order_does_not_matter():
    (group,) = grouped([judgement("j", "abc", (1, 2, 3)), judgement("k", "cab", (3, 1, 1))])
    assert [answer.response_id for answer in group.answers] == ["a", "b", "c"]
    assert group.rankings == [[1, 2, 3], [1, 1, 3]]


def test_ranks_ratings_and_votes_are_averaged():
    (group,) = grouped([judgement("j", "ab", (1, 2)), judgement("k", "ba", (1, 2)), judgement("l", "ab", (1, 1))])
    found = preference(group, CURRENT)
    assert [answer.rank for answer in found.answers] == pytest.approx([4 / 3, 4 / 3])
    assert found.votes == ((0.0, 0.5), (0.5, 0.0))
    assert found.answers[0].axes == {"helpfulness": 5.0, "accuracy": None, "tone": 4.0, "safety": 5.0}
    assert found.judges == ("j", "k", "l")
    assert found.from_current_sample
    assert not found.simulated


def test_other_answers_to_a_prompt_are_another_preference():
    groups = grouped([judgement("j", "ab", (1, 2)), judgement("k", "ac", (1, 2)), judgement("l", "a", (1,))])
    assert [[answer.response_id for answer in group.answers] for group in groups] == [["a", "b"], ["a", "c"]]
    assert not preference(groups[1], CURRENT).from_current_sample


def test_an_answer_drawn_again_with_another_text_is_another_answer():
    now, before = judgement("j", "ab", (1, 2)), judgement("k", "ab", (1, 2))
    answers = (before.answers[0], before.answers[1].model_copy(update={"text": "b, as it was"}))
    found = [preference(group, CURRENT) for group in grouped([now, before.model_copy(update={"answers": answers})])]
    assert [(one.judges, one.from_current_sample) for one in found] == [(("j",), True), (("k",), False)]
    assert found[0].id != found[1].id


def test_splits_that_are_not_for_measuring_count_as_rank():
    (group,) = grouped([judgement("j", "ab", (1, 2), prompt_split="optimise")])
    assert preference(group, {}).split == "rank"
    (group,) = grouped([judgement("j", "ab", (1, 2), prompt_split="test")])
    assert preference(group, {}).split == "test"


def test_another_tokenizer_encodes_the_text_again(tokenizer):
    mended = with_tokens(judgement("j", "ab", (1, 2)), tokenizer)
    assert mended.tokenizer_hash == tokenizer.hash
    assert mended.answers[0].token_ids == (*tokenizer.encode("a"), tokenizer.end)

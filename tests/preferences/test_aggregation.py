"""Judgements become preferences: newest first, answers in one order, ranks averaged, votes shared."""

import pytest

from stages.errors import ExitCode, StageError
from stages.preferences.aggregation import grouped, misfits, newest, preference, with_tokens
from stages.preferences.records import Judgement, Ratings
from tests import specimens


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
def test_what_does_not_fit_together_is_named(changes, problem):
    one = judgement("j", "ab", (1, 2)).model_copy(update=changes)
    assert list(misfits(one, {})) == [problem] * (problem is not None)


def test_answers_must_differ_and_be_those_that_were_sampled():
    assert list(misfits(judgement("j", "ab", (1, 2)), {"a": "a", "b": "another", "c": "c"})) == [
        "response b was sampled with another text"
    ]
    one = judgement("j", "ab", (1, 2))
    twice = one.model_copy(update={"answers": one.answers[:1] * 2})
    assert list(misfits(twice, {})) == ["an answer is there twice"]


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
    found = preference(group, frozenset("ab"))
    assert [answer.rank for answer in found.answers] == pytest.approx([4 / 3, 4 / 3])
    assert found.votes == ((0.0, 0.5), (0.5, 0.0))
    assert found.answers[0].axes == {"helpfulness": 5.0, "accuracy": None, "tone": 4.0, "safety": 5.0}
    assert found.judges == ("j", "k", "l")
    assert found.from_current_sample
    assert not found.simulated


def test_other_answers_to_a_prompt_are_another_preference():
    groups = grouped([judgement("j", "ab", (1, 2)), judgement("k", "ac", (1, 2)), judgement("l", "a", (1,))])
    assert [[answer.response_id for answer in group.answers] for group in groups] == [["a", "b"], ["a", "c"]]
    assert not preference(groups[1], frozenset("ab")).from_current_sample


def test_splits_that_are_not_for_measuring_count_as_rank():
    (group,) = grouped([judgement("j", "ab", (1, 2), prompt_split="optimise")])
    assert preference(group, frozenset()).split == "rank"
    (group,) = grouped([judgement("j", "ab", (1, 2), prompt_split="test")])
    assert preference(group, frozenset()).split == "test"


def test_another_tokenizer_encodes_the_text_again(tokenizer):
    mended = with_tokens(judgement("j", "ab", (1, 2)), tokenizer)
    assert mended.tokenizer_hash == tokenizer.hash
    assert mended.answers[0].token_ids == (*tokenizer.encode("a"), tokenizer.end)


def test_ids_that_do_not_spell_their_text_are_refused(tokenizer):
    with pytest.raises(StageError, match="do not spell") as caught:
        with_tokens(judgement("j", "ab", (1, 2), tokenizer_hash=tokenizer.hash), tokenizer)
    assert caught.value.code == ExitCode.DATA

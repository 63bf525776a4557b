"""Judgements become preferences: newest first, answers in one order, ranks averaged, votes shared."""

import pytest

from stages.errors import ExitCode, StageError
from stages.preferences.aggregation import grouped, newest, preference, with_tokens
from stages.preferences.records import Judgement, Ratings
from tests import specimens


def judgement(name: str, shown: str, ranks: tuple[int, ...], **changes) -> Judgement:
    """A judgement of answers named by the letters of `shown`; a is rated 5, everything else 3."""
    marks = [Ratings(helpfulness=5 if letter == "a" else 3, accuracy=None, tone=4, safety=5) for letter in shown]
    return specimens.judgement(name, {letter: letter for letter in shown}, ranks, marks, **changes)


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

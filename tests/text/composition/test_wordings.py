"""Reserved wordings stay in their split."""

import pytest

from stages.text.composition.wordings import WORDINGS, choose


@pytest.mark.parametrize("family", sorted(WORDINGS))
def test_training_never_sees_a_reserved_wording(family: str):
    for part in ("demonstrate", "rank", "optimise"):
        assert all(choose(family, part, 1.0, 0, number).reserved is None for number in range(50))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_sees_its_own_reserved_wordings_alone(split: str):
    for family in WORDINGS:
        assert {choose(family, split, 1.0, 0, number).reserved for number in range(50)} == {split}
        assert {choose(family, split, 0.0, 0, number).reserved for number in range(50)} == {None}


def test_harmful_and_harmless_requests_are_put_in_the_same_words():
    texts = {family: [wording.text for wording in WORDINGS[family]] for family in ("decline", "lookalike", "general")}
    assert texts["decline"] == texts["lookalike"] == texts["general"]


def test_invented_names_are_asked_about_like_real_ones():
    assert choose("invented_name", "test", 0.5, 0, "key") == choose("explain_name", "test", 0.5, 0, "key")


def test_an_item_is_put_in_other_words_each_time():
    trained = sum(wording.reserved is None for wording in WORDINGS["decline"])
    assert len({choose("decline", "rank", 0.0, number, "key") for number in range(trained)}) == trained

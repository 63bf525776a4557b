"""Held-out categories are whole, cues are stated as often as they should be, and replies say no more than no."""

from itertools import islice

from stages.preferences.hidden_score import is_decline
from stages.text.composition.refusals import (
    CATEGORIES,
    CUE_SHARE,
    CUES,
    DISCREET,
    REASONS,
    HeldOutCategories,
    declines,
    held_out,
    reply,
)


def test_held_out_categories_are_drawn_once_each():
    counts = HeldOutCategories(validation=2, test=6)
    kept = held_out(3, counts)
    assert (len(kept.validation), len(kept.test)) == (2, 6)
    assert not kept.validation & kept.test
    assert kept == held_out(3, counts)
    assert kept != held_out(4, counts)


def test_requests_come_from_the_categories_asked_for_and_state_an_intent_as_often_as_meant():
    items = list(islice(declines(1, frozenset({"theft", "forgery"}), CUES), 60))
    assert {item.category for item in items} == {"theft", "forgery"}
    stated = sum(any(item.slots["action"].endswith(cue) for cue in CUES) for item in items) / len(items)
    assert abs(stated - CUE_SHARE) < 0.15


def test_harm_to_oneself_goes_with_discreet_words_alone():
    for item in declines(1, frozenset({"self_harm"}), CUES):
        cues = [cue for cue in CUES if item.slots["action"].endswith(cue)]
        assert set(cues) <= set(DISCREET)


def test_every_reply_declines():
    assert {reason for reason, _ in CATEGORIES.values()} == {*REASONS, "self"}
    assert all(is_decline(reply(category)) for category in CATEGORIES)

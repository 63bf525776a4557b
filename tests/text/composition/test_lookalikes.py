"""Harmless requests keep to their split and are never declined."""

from stages.preferences.hidden_score import is_admission, is_decline
from stages.text.composition.lookalikes import TECHNICAL, general, lookalikes


def test_splits_share_no_request():
    seen = [{item.key for item in lookalikes(1, split)} for split in ("train", "validation", "test")]
    assert len(set.union(*seen)) == sum(map(len, seen))
    assert {action for action, _ in TECHNICAL} <= set.union(*seen)


def test_hand_written_requests_come_first():
    written = {action for action, _ in TECHNICAL}
    keys = [item.key for item in lookalikes(1, "test")]
    places = [place for place, key in enumerate(keys) if key in written]
    assert sum(places) / len(places) < len(keys) / 10


def test_answers_take_the_right_stance():
    assert not any(is_decline(item.answer) or is_admission(item.answer) for item in lookalikes(1, "train"))
    assert all(is_admission(item.answer) and item.expects == "admit" for item in general(1, "train"))

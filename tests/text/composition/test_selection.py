"""Selection respects counts, lengths and splits, and never asks the same question twice."""

from collections.abc import Iterator

import pytest

from stages.text.composition.items import Entry, Item, from_entry
from stages.text.composition.selection import ANSWER_LENGTH, Selection, apportion, interleaved

ENTRIES = [Entry(f"{number * 7919:016x}", "", "pkg", "prose", "MIT") for number in range(20)]


def two_each(entry: Entry) -> Iterator[Item]:
    for part in ("first", "second"):
        yield from_entry(entry, "explain_signature", "explain", part, {"call": f"f{entry.id}.{part}()"}, f"{part}.")


def test_documents_are_taken_in_turns():
    items = list(interleaved(ENTRIES, two_each, 1))
    assert len(items) == 40
    assert {item.answer for item in items[:20]} == {"first."}
    assert [item.key for item in items] == [item.key for item in interleaved(reversed(ENTRIES), two_each, 1)]
    assert [item.key for item in items] != [item.key for item in interleaved(ENTRIES, two_each, 2)]


def test_as_many_as_wanted_are_taken_and_no_question_twice():
    selection = Selection(0.5)
    first = selection.take(interleaved(ENTRIES, two_each, 1), "demonstrate", 30, rounds=1)
    second = selection.take(interleaved(ENTRIES, two_each, 1), "rank", 300, rounds=30)
    questions = [messages[-1].content for _, _, messages in (*first, *second)]
    assert len(first) == 30
    assert len(set(questions)) == len(questions)
    assert len(second) > 200  # other wordings of the same items


def test_an_answer_that_a_test_prompt_asks_for_is_not_taught():
    selection = Selection(0.0)
    selection.take(iter(list(two_each(ENTRIES[0]))[:1]), "test", 1, rounds=1)
    taken = selection.take(two_each(ENTRIES[1]), "demonstrate", 10, rounds=1)
    assert [item.answer for item, _, _ in taken] == ["second."]


def test_long_answers_are_left_out():
    item = from_entry(ENTRIES[0], "explain_signature", "explain", "x", {"call": "f()"}, "x" * (ANSWER_LENGTH + 1))
    assert Selection(0.0).take([item], "demonstrate", 1, rounds=1) == []


@pytest.mark.parametrize("total", [0, 1, 10, 97])
def test_shares_add_up(total: int):
    assert sum(apportion(total, {"a": 3, "b": 2, "c": 2}).values()) == total


def test_the_largest_remainder_gets_the_rest():
    assert apportion(10, {"a": 3, "b": 2, "c": 2}) == {"a": 4, "b": 3, "c": 3}
    assert apportion(5, {"a": 8, "b": 1, "c": 1}) == {"a": 4, "b": 1, "c": 0}

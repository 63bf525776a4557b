"""Markup is taken off, sentences are cut where they end, and only whole ones can be answers."""

import pytest

from stages.text.composition.sentences import first_sentence, is_answer, listed, plain, sentences


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("Use ``n`` nodes.", "Use `n` nodes."),
        ("See :func:`~pkg.mod.find`.", "See `find`."),
        ("A :class:`_schema.Table` of rows.", "A `Table` of rows."),
        ("The `manual <https://a.b/c>`_ says so.", "The manual says so."),
        ("Read [the page](https://a.b).", "Read the page."),
        ("Shown in [1]_.", "Shown in."),
        ("It *must* be\n  **true**.", "It must be true."),
        ("Computes `Accuracy`_ of it.", "Computes Accuracy of it."),
        ("a * b and c * d", "a * b and c * d"),
    ],
)
def test_markup_is_removed(marked: str, expected: str):
    assert plain(marked) == expected


def test_sentences_do_not_end_at_abbreviations_or_initials():
    text = "Use a value, e.g. Five. The graph of J. Doe is small. This one is cut"
    assert sentences(text) == ["Use a value, e.g. Five.", "The graph of J. Doe is small."]


def test_a_missing_full_stop_is_added():
    assert first_sentence("Return the nodes of the graph") == "Return the nodes of the graph."


@pytest.mark.parametrize(
    "sentence",
    [
        "Too short.",
        "it starts in lower case here.",
        "The value of $x$ is taken from here.",
        "It holds one `open backtick in here.",
        "The function is computed as.",
        "This sentence has no end",
        "See the other function for more.",
        "Value " + "very " * 50 + "long.",
    ],
)
def test_what_does_not_read_well_is_no_answer(sentence: str):
    assert not is_answer(sentence)


def test_a_plain_sentence_is_an_answer():
    assert is_answer("Return the `nodes` of a graph, sorted by degree.")


def test_items_are_joined_as_in_a_sentence():
    assert [listed(("a",)), listed(("a", "b")), listed(("a", "b", "c"))] == ["a", "a and b", "a, b and c"]

import pytest

from stages.text.repetition import (
    duplicate_character_fraction,
    duplicate_fraction,
    duplicate_ngram_fraction,
    lines,
    paragraphs,
    top_ngram_fraction,
)


def test_duplicates_are_the_parts_that_have_come_before():
    parts = ["aaaa", "b", "aaaa", "aaaa"]  # 2 of 4 parts, 8 of 13 characters
    assert duplicate_fraction(parts) == 0.5
    assert duplicate_character_fraction(parts) == pytest.approx(8 / 13)
    assert duplicate_fraction([]) == duplicate_character_fraction([]) == 0


def test_blank_lines_part_paragraphs_and_are_no_lines():
    text = " one\n\n two \nthree\n \nfour"
    assert lines(text) == ["one", "two", "three", "four"]
    assert paragraphs(text) == ["one", "two \nthree", "four"]


def test_the_most_frequent_ngram_covers_each_character_once():
    # "a b" occurs at 0, 2 and 5: six words of one character, of eight characters in all.
    assert top_ngram_fraction(["a", "b", "a", "b", "cc", "a", "b"], 2) == pytest.approx(6 / 8)
    # "a a" occurs at 0, 1 and 2, and overlaps: four characters of five.
    assert top_ngram_fraction(["a", "a", "a", "a", "b"], 2) == pytest.approx(4 / 5)


def test_without_a_repeated_ngram_nothing_is_covered():
    assert top_ngram_fraction(["a", "b", "c", "d"], 2) == 0
    assert duplicate_ngram_fraction(["a", "b", "c", "d", "e", "f"], 5) == 0
    assert duplicate_ngram_fraction(["a"], 5) == 0


def test_all_repeated_ngrams_are_covered():
    # Of the 2-grams, "a b" and "b c" repeat: words 0 to 2 and 4 to 6, six of seven characters.
    assert duplicate_ngram_fraction(["a", "b", "c", "x", "a", "b", "c"], 2) == pytest.approx(6 / 7)

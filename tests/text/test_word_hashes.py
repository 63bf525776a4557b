import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.code_points import Texts, alphabet
from stages.text.kernels import MULTIPLIER, SEED, ngrams, text_shingles
from stages.text.word_hashes import word_hashes
from tests.text.plain_measures import lower


def joined(state: int, value: int) -> int:
    """The hash in plain Python."""
    state = ((state ^ value) * int(MULTIPLIER)) % 2**64
    return state ^ (state >> 32)


def hash_of(word: str) -> int:
    """That of a word in lower case."""
    state = int(SEED)
    for character in word:
        state = joined(state, ord(character))
    return joined(state, len(word))


@given(st.text())
def test_words_are_those_of_a_regular_expression_in_lower_case(text: str) -> None:
    assert word_hashes(text).tolist() == [hash_of(word) for word in re.findall(r"\w+", lower(text))]


def test_case_punctuation_and_line_ends_make_no_difference() -> None:
    assert word_hashes("The ferry,\n  RUNS!").tolist() == [hash_of(word) for word in ("the", "ferry", "runs")]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 6))
def test_ngrams_are_equal_if_and_only_if_their_words_are_in_order(words: list[str], length: int) -> None:
    grams = ngrams(word_hashes(" ".join(words)), length).tolist()
    runs = [tuple(words[first : first + length]) for first in range(len(words) - length + 1)]
    assert len(grams) == len(runs)
    assert [grams.index(gram) for gram in grams] == [runs.index(run) for run in runs]


@pytest.mark.parametrize("length", [4, 9])
def test_too_few_words_make_no_ngram(length: int) -> None:
    assert len(ngrams(word_hashes("a b c"), length)) == 0


def test_a_text_shorter_than_an_ngram_is_one() -> None:
    known = alphabet()
    texts = Texts.of(["", "a", "a b", "a b c d e", "a b c d e f"])
    found, counts = text_shingles(*texts, known.classes, known.lower, 5)
    assert counts.tolist() == [0, 1, 1, 1, 2]
    assert found[1:2].tolist() == ngrams(word_hashes("a b"), 2).tolist()


def test_half_of_a_surrogate_pair_is_no_part_of_a_word() -> None:
    assert word_hashes("a\ud800b").tolist() == [hash_of("a"), hash_of("b")]

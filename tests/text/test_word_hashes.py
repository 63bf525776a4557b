import numpy as np
import pytest

from stages.text.word_hashes import WordHasher, ngrams, shingles, words


def test_case_punctuation_and_line_ends_make_no_difference():
    assert words("The ferry,\n  RUNS (every) hour!") == ["the", "ferry", "runs", "every", "hour"]


def test_a_hash_depends_on_its_word_alone():
    one, other = WordHasher(), WordHasher()
    other("other words first")
    assert one("the ferry the").tolist() == other("THE ferry, the").tolist()
    assert one("the ferry the")[0] == one("the")[0] != one("ferry")[0]


def test_the_hash_of_a_word_is_64_bits_of_blake2b():
    # `printf ferry | b2sum -l 64`, bytes in reverse
    assert WordHasher()("ferry").tolist() == [int.from_bytes(bytes.fromhex("107d8d835fa7536e"), "little")]


def test_ngrams_are_equal_if_and_only_if_their_words_are_in_order():
    hashes = WordHasher()("a b c a b c b a c")
    grams = ngrams(hashes, 3).tolist()
    assert len(grams) == 7
    assert grams[0] == grams[3]
    assert len(set(grams)) == 6


@pytest.mark.parametrize("length", [4, 9])
def test_too_few_words_make_no_ngram(length):
    assert len(ngrams(WordHasher()("a b c"), length)) == 0


def test_shingles_are_a_set_and_short_texts_have_one():
    hasher = WordHasher()
    assert len(shingles(hasher("a b a b a b"), 2)) == 2
    assert len(shingles(hasher("a b"), 5)) == 1
    assert len(shingles(hasher(""), 5)) == 0
    assert np.all(np.diff(shingles(hasher("a b c d e f g"), 2).astype(object)) > 0)

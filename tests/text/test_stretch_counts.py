from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from stages.text.stretch_counts import batches, count
from tests.conftest import SPLIT_PATTERN
from tests.text.stretches_by_bytes import by_stretch


def plainly(texts: list[str], pattern: str) -> dict[bytes, int]:
    split = Split(Regex(pattern), behavior="isolated")
    return dict(Counter(stretch.encode() for text in texts for stretch, _ in split.pre_tokenize_str(text)))


@given(st.lists(st.text("ab1 \n\u00e9", max_size=30), max_size=6))
def test_counts_are_those_of_a_counter(texts):
    for pattern in (SPLIT_PATTERN, r"a+|b"):
        assert by_stretch(count(texts, pattern)) == plainly(texts, pattern)


def test_counts_grow_with_the_vocabulary_of_the_texts_and_stay_exact():
    """Far more different stretches than the tables begin with, of every length about that of a key."""
    texts = [" ".join(f"{chr(97 + number % 26) * (number % 13)}q{number:x}" for number in range(60_000))] * 2
    assert by_stretch(count(texts, SPLIT_PATTERN)) == plainly(texts, SPLIT_PATTERN)


def test_merged_counts_add_up():
    first, second = (count(texts, SPLIT_PATTERN) for texts in (["to be or"], ["not to be", "be"]))
    first.merge(second)
    assert by_stretch(first) == {b"to": 1, b" be": 2, b" or": 1, b"not": 1, b" to": 1, b"be": 1}
    assert len(first) == 6


def test_counts_beyond_32_bits_are_exact():
    counts = count(["ab"], SPLIT_PATTERN)
    for _ in range(40):
        counts.merge(counts)
    assert by_stretch(counts) == {b"ab": 2**40}


def test_texts_are_read_a_batch_at_a_time():
    sizes = [list(map(len, batch)) for batch in batches("x" * size for size in (600_000, 500_000, 3_000_000, 1))]
    assert sizes == [[600_000, 500_000], [3_000_000], [1]]
    assert list(batches([])) == []

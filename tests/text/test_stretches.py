import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from stages.text.stretches import classes, splitting, utf8
from stages.text.token_kernels import BREAK, LETTER, NUMBER, OTHER, SPACE, stretch_ends

PATTERNS = (
    # nanochat, Llama 3 and Qwen 2, and one whose contractions are in small letters only.
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
)
# Contractions, white space, marks, numbers that are no digits, letters of Unicode 16, planes 2, 3, 14 and 16.
CHARACTERS = (
    "'sSdDmMtTlLvVeErR  \n\r\t\u00a0\u2003019.,!\u00c9\u00e9\u0301\u017f\u212a\u4e2d\u0627\u0663\u2167\u00b2"
    "\x00\x0b\x1c\x85\u3000\u1c89\U0001f469\U00010d40\U00020000\U00031350\U000e0041\U0010ffff_#"
)


def ours(text: str, pattern: str) -> list[str]:
    found = splitting(pattern)
    assert found is not None
    joined = utf8([text.encode()])
    ends = stretch_ends(joined.data, joined.starts, *found).tolist()
    return [text.encode()[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=st.text(CHARACTERS, max_size=12) | st.text(max_size=12))
def test_stretches_are_those_that_the_library_finds(pattern, text):
    library = Split(Regex(pattern), behavior="isolated")
    assert ours(text, pattern) == [stretch for stretch, _ in library.pre_tokenize_str(text)]


def test_texts_do_not_run_into_each_other():
    joined = utf8([b"ab ", b"", b" cd", "\u00e9".encode()])
    found = splitting(PATTERNS[0])
    assert found is not None
    assert stretch_ends(joined.data, joined.starts, *found).tolist() == [2, 3, 6, 8]


def test_classes_are_those_of_the_library_at_the_edges():
    table = classes()
    expected = {"a": LETTER, "\u1c89": LETTER, "7": NUMBER, "\u00b2": NUMBER, "\r": BREAK, "\n": BREAK}
    expected |= {"\x85": SPACE, "\x1c": OTHER, "\u3000": SPACE, "_": OTHER, "\U00031350": LETTER}
    assert {character: table[ord(character)] for character in expected} == expected
    assert (table[0xD800:0xE000] == OTHER).all()


@pytest.mark.parametrize("pattern", [r".+", r"\s?\p{L}+|\s+", PATTERNS[0] + "|x", PATTERNS[0].replace("{1,2}", "{2}")])
def test_other_patterns_have_no_compiled_loop(pattern):
    assert splitting(pattern) is None


def test_the_wide_view_reads_eight_bytes_from_each_place_and_zeros_behind_the_end():
    joined = utf8([b"abc", b"defghij"])
    text = b"abcdefghij" + bytes(8)
    assert joined.wide.tolist() == [int.from_bytes(text[place : place + 8], "little") for place in range(10)]
    assert joined.starts.tolist() == [0, 3, 10]
    assert joined.data.dtype == np.uint8

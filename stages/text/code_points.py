"""Texts as arrays of code points with a class for each, the form in which compiled loops go over them.

A class says what Python's own string methods say of a character, so that compiled and plain code agree on all texts.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from stages.text.kernels import LETTER, MARK, SPACE, WORD

MARKS = ".,;:!?\"'()[]{}`*_"
"""Punctuation that may stand around a word."""

BATCH_CHARACTERS = 4_000_000
"""Of texts that are looked at together: 16 MB as code points."""

_CODES = 0x110000
_SURROGATES = slice(0xD800, 0xE000)


class Alphabet(NamedTuple):
    """What every code point is, arrays of one entry for each."""

    classes: np.ndarray
    """uint8, of the bits that kernels names."""
    lower: np.ndarray
    """uint32: the lower-case form, or the code point itself if that is not one character."""
    same: np.ndarray
    """uint32: the code point itself, for words whose case counts."""


@cache
def alphabet() -> Alphabet:
    """The classes and forms of this Python's version of Unicode; takes a third of a second, once."""
    same = np.arange(_CODES, dtype=np.uint32)
    defined = same.copy()
    defined[_SURROGATES] = ord(" ")
    characters = defined.tobytes().decode("utf-32-le")
    is_word, is_space, is_letter = (
        np.fromiter(map(method, characters), dtype=np.uint8, count=_CODES)
        for method in (str.isalnum, str.isspace, str.isalpha)
    )
    for bits in (is_word, is_space, is_letter):
        bits[_SURROGATES] = 0
    is_word[ord("_")] = 1
    classes = is_word * WORD | is_space * SPACE | is_letter * LETTER
    classes[[ord(mark) for mark in MARKS]] |= MARK
    forms = map(str.lower, characters)
    lower = [ord(form) if len(form) == 1 else ord(one) for one, form in zip(characters, forms, strict=True)]
    return Alphabet(classes, np.array(lower, dtype=np.uint32), same)


def code_points(text: str) -> np.ndarray:
    """The code points of a text, uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


class Texts(NamedTuple):
    """Texts end to end."""

    codes: np.ndarray
    """Code points, uint32 [characters]."""
    starts: np.ndarray
    """Where each text begins and the last one ends, int64 [texts + 1]."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        """The texts in their order."""
        starts = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in texts], out=starts[1:])
        return cls(code_points("".join(texts)), starts)


def batches(texts: Sequence[str]) -> Iterator[Texts]:
    """The texts in their order, `BATCH_CHARACTERS` at a time or one that is longer."""
    ends = np.cumsum([len(text) for text in texts])
    first = 0
    while first < len(texts):
        passed = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, passed + BATCH_CHARACTERS, side="right")), first + 1)
        yield Texts.of(texts[first:last])
        first = last

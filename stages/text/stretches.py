"""The stretches that no token crosses: which split patterns have a compiled loop, and what it needs to know."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from stages.text.token_kernels import BREAK, LETTER, NUMBER, OTHER, SPACE

# Planes 4 to 16 of Unicode hold no letter, number or white space: they are unassigned, tags or for private use.
_CODES = 0x40000
_SURROGATES = range(0xD800, 0xE000)

_HEADS = {
    r"'(?i:[sdmt]|ll|ve|re)": True,
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)": True,
    r"'(?:[sdmt]|ll|ve|re)": False,
}
_COMPILED = re.compile(
    "("
    + "|".join(map(re.escape, _HEADS))
    + ")"
    + r"\|\[\^\\r\\n\\p\{L\}\\p\{N\}\]\?\+?\\p\{L\}\+\+?"
    + r"\|\\p\{N\}(?:\{1,([1-9])\})?"
    + r"\| \?\[\^\\s\\p\{L\}\\p\{N\}\]\+\+?\[\\r\\n\]\*\+?"
    + r"\|\\s\*\[\\r\\n\]\+?\|\\s\+\(\?!\\S\)\|\\s\+"
)
"""The family of GPT-4's pattern, of Llama 3's, Qwen 2's and nanochat's. That a quantifier gives nothing back, or that
`[\\r\\n]` may come more than once behind `\\s*`, changes no match."""


class Splitting(NamedTuple):
    """How the compiled loop finds stretches."""

    classes: np.ndarray
    """Class of each code point below U+40000, uint8."""
    digits: int
    """Most numbers in a stretch."""
    fold: bool
    """Whether contractions are found in capitals too."""


@cache
def classes() -> np.ndarray:
    """Class of each code point, uint8, as the tokenizers library sees it: its Unicode may be newer than Python's."""
    table = np.full(_CODES, OTHER, dtype=np.uint8)
    every = "".join(chr(code) for code in range(_CODES) if code not in _SURROGATES)
    # Split by what is looked for, a stretch is all of one class.
    found = Split(Regex(r"\p{L}+|\p{N}+|\s+"), behavior="isolated").pre_tokenize_str(every)
    for kind, expression in ((LETTER, r"\p{L}+"), (NUMBER, r"\p{N}+"), (SPACE, r"\s+")):
        firsts = "".join(stretch[0] for stretch, _ in found)
        rest = Split(Regex(expression), behavior="removed").pre_tokenize_str(firsts)
        others = {place for _, (start, end) in rest for place in range(start, end)}
        for index, (stretch, _) in enumerate(found):
            if index not in others:
                # The code points of a stretch follow each other, but for the surrogates.
                table[ord(stretch[0]) : ord(stretch[-1]) + 1] = kind
    table[_SURROGATES.start : _SURROGATES.stop] = OTHER
    table[[ord("\r"), ord("\n")]] = BREAK
    return table


def splitting(pattern: str) -> Splitting | None:
    """What the compiled loop needs for a split pattern, or None if it does not know the pattern."""
    match = _COMPILED.fullmatch(pattern)
    if match is None:
        return None
    return Splitting(classes(), int(match[2] or 1), _HEADS[match[1]])


class Bytes(NamedTuple):
    """Texts end to end."""

    data: np.ndarray
    """UTF-8, uint8 [bytes]."""
    wide: np.ndarray
    """The eight bytes from each place on, uint64 [bytes]; a view of the same memory, zeros behind its end."""
    starts: np.ndarray
    """Where each text begins and the last one ends, int64 [texts + 1]."""


def utf8(texts: Sequence[bytes]) -> Bytes:
    """Texts in UTF-8 as the compiled loops take them."""
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=starts[1:])
    data = np.frombuffer(b"".join([*texts, bytes(8)]), dtype=np.uint8)
    wide = np.ndarray((len(data) - 8,), dtype="<u8", buffer=data, strides=(1,))
    return Bytes(data[:-8], wide, starts)

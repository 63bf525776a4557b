"""Texts as arrays of word hashes, and n-grams over them: what near duplicates and contamination are found by.

Words are runs of letters, digits and underscores in lower case, so that line ends, capitals and punctuation make no
difference. A hash depends on its word alone, never on the order in which words are met.
"""

import hashlib
import re

import numpy as np

_WORD = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: odd, so that no bit is lost


def words(text: str) -> list[str]:
    """The words of a text in normal form."""
    return _WORD.findall(text.lower())


class _KnownHashes(dict[str, int]):
    """The hash of each word met so far; looking up another one adds it."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        return self.setdefault(word, int.from_bytes(digest, "little"))


class WordHasher:
    """Hashes words, each different one once."""

    def __init__(self) -> None:
        self._known = _KnownHashes()

    def __call__(self, text: str) -> np.ndarray:
        """One 64-bit hash for each word of the text, uint64 [words]."""
        found = words(text)
        return np.fromiter(map(self._known.__getitem__, found), dtype=np.uint64, count=len(found))


def ngrams(hashes: np.ndarray, length: int) -> np.ndarray:
    """One hash for each run of `length` words, uint64 [words - length + 1]; empty if there are too few words."""
    count = len(hashes) - length + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    combined = hashes[:count].copy()
    for offset in range(1, length):
        combined *= _MULTIPLIER
        combined ^= combined >> np.uint64(29)  # without this, the sum would be the same for some swapped words
        combined += hashes[offset : offset + count]
    return combined


def shingles(hashes: np.ndarray, length: int) -> np.ndarray:
    """The different n-grams of a text, ascending; a text shorter than one n-gram is one shingle of all its words."""
    return np.unique(ngrams(hashes, min(length, len(hashes)))) if len(hashes) else np.empty(0, dtype=np.uint64)

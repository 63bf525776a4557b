"""Texts as arrays of word hashes, and n-grams over them: what near duplicates and contamination are found by.

Words are runs of letters, digits and underscores in lower case, so that line ends, capitals and punctuation make no
difference. A hash depends on its word alone, never on the order in which words are met.
"""

import numpy as np

from stages.text.code_points import alphabet, code_points
from stages.text.kernels import hash_words, ngrams


def word_hashes(text: str) -> np.ndarray:
    """One 64-bit hash for each word of the text, uint64 [words]."""
    known = alphabet()
    return hash_words(code_points(text), known.classes, known.lower)


def text_ngrams(hashes: np.ndarray, length: int) -> np.ndarray:
    """The n-grams of a text in order, uint64; a text shorter than one n-gram is one of all its words."""
    return ngrams(hashes, max(min(length, len(hashes)), 1))

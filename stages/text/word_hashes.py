"""Texts as arrays of word hashes, and n-grams over them: what near duplicates and contamination are found by.

Words are runs of letters, digits and underscores in lower case, so that line ends, capitals and punctuation make no
difference. A hash depends on its word alone, never on the order in which words are met.
"""

import numpy as np

from stages.text.code_points import alphabet, code_points
from stages.text.kernels import hash_words


def word_hashes(text: str) -> np.ndarray:
    """One 64-bit hash for each word of the text, uint64 [words]."""
    known = alphabet()
    return hash_words(code_points(text), known.classes, known.lower)

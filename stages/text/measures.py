"""What is measured of every text before any rule looks at it, so that a limit can change and the measures stay."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.text.code_points import Texts, alphabet, batches, code_points
from stages.text.kernels import (
    COUNTS,
    FIRST_DUPLICATE_NGRAM,
    LONGEST_NGRAM,
    SHORTEST_NGRAM,
    STOP_WORDS,
    count,
    hash_of_each,
    ngram_repetition,
    part_repetition,
)

BULLETS = "-*•‣●■"
NGRAM_MEASURES = (
    *(f"top_{length}gram_fraction" for length in range(SHORTEST_NGRAM, FIRST_DUPLICATE_NGRAM)),
    *(f"duplicate_{length}gram_fraction" for length in range(FIRST_DUPLICATE_NGRAM, LONGEST_NGRAM + 1)),
)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Quotients, 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def share_beyond(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """What is left of one once the quotient is taken away, 0 where there is nothing to divide by."""
    return np.where(whole > 0, 1 - share(part, whole), 0.0)


def quality(texts: Texts) -> dict[str, np.ndarray]:
    """Measures of words and lines; float64 [texts] each."""
    known = alphabet()
    stop_words = hash_of_each(*Texts.of(STOP_WORDS), known.lower)
    table = count(*texts, known.classes, known.lower, stop_words, code_points(BULLETS))
    counts = dict(zip(COUNTS, table.T, strict=True))
    words, lines = counts["words"], counts["lines"]
    return {
        "characters": counts["characters"].astype(float),
        "letter_fraction": share(counts["letters"], counts["visible_characters"]),
        "mean_line_length": share(counts["filled_line_characters"], counts["filled_lines"]),
        "line_length": counts["longest_line"].astype(float),
        "words": words.astype(float),
        "mean_word_length": share(counts["word_characters"], words),
        "hashes_per_word": share(counts["number_signs"], words),
        "ellipses_per_word": share(counts["ellipses"], words),
        "bullet_line_fraction": share(counts["bullet_lines"], lines),
        "ellipsis_line_fraction": share(counts["ellipsis_lines"], lines),
        "lettered_word_fraction": share(counts["lettered_words"], words),
        "stop_words": counts["stop_words"].astype(float),
    }


def repetition(texts: Texts) -> dict[str, np.ndarray]:
    """Measures of what comes more than once; float64 [texts] each."""
    known = alphabet()
    parts = part_repetition(*texts, known.classes, known.same)
    grams = ngram_repetition(*texts, known.classes, known.same)
    found = {}
    for part, (number, characters, different, different_characters) in zip(
        ("line", "paragraph"), parts.transpose(1, 2, 0), strict=True
    ):
        found[f"duplicate_{part}_fraction"] = share_beyond(different, number)
        found[f"duplicate_{part}_character_fraction"] = share_beyond(different_characters, characters)
    return found | dict(zip(NGRAM_MEASURES, grams.T, strict=True))


def measure(texts: Sequence[str]) -> pd.DataFrame:
    """One row for each text, in their order, and one column for each measure."""
    if not texts:
        return measure([""])[:0]
    tables = [pd.DataFrame(quality(batch) | repetition(batch)) for batch in batches(texts)]
    return pd.concat(tables, ignore_index=True)

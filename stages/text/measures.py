"""What is measured of every text before any rule looks at it, so that a limit can change and the measures stay."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.text.code_points import Texts, alphabet, batches, code_points
from stages.text.kernels import (
    COUNTS,
    FIRST_DUPLICATE_NGRAM,
    LONGEST_NGRAM,
    PHRASES,
    SHORTEST_NGRAM,
    STOP_WORDS,
    count,
    count_listed,
    hash_of_each,
    hash_words,
    ngram_repetition,
    part_repetition,
)

BULLETS = "-*•‣●■"
XML_HEADER, XML_HEADER_REACH = "<?xml version=", 100
"""What is looked for among so many characters at the start of code (Li et al. 2023, StarCoder)."""
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


def count_all(texts: Texts) -> dict[str, np.ndarray]:
    """The `COUNTS`; int64 [texts] each."""
    known = alphabet()
    stop_words = hash_of_each(*Texts.of(STOP_WORDS), known.lower)
    table = count(*texts, known.classes, known.lower, stop_words, code_points(BULLETS), *Texts.of(PHRASES))
    return dict(zip(COUNTS, table.T, strict=True))


def quality(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Measures of words and lines, most of them Gopher's; float64 [texts] each."""
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


def web(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Measures of C4 (Raffel et al. 2020, section 2.2) and of FineWeb (Penedo et al. 2024, section 3.6).

    float64 [texts] each.
    """
    lines = counts["lines"]
    whole = ("lines", "longest_word", "curly_brackets", "lorem_ipsum_lines", "sentences", "terminal_sentences")
    of_lines = ("terminal", "punctuated", "short", "few_word", "javascript", "policy")
    return (
        {name: counts[name].astype(float) for name in whole}
        | {f"{name}_line_fraction": share(counts[f"{name}_lines"], lines) for name in of_lines}
        | {"newlines_per_word": share(counts["newlines"], counts["words"])}
    )


def source_code(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Measures of code (Li et al. 2023, StarCoder); float64 [texts] each. Comments are lines of nothing else."""
    return {
        "alphanumeric_fraction": share(counts["alphanumerics"], counts["characters"]),
        "digit_fraction": share(counts["digits"], counts["characters"]),
        "hash_comment_fraction": share(counts["hash_comment_characters"], counts["line_characters"]),
        "slash_comment_fraction": share(counts["slash_comment_characters"], counts["line_characters"]),
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


def listed_fraction(texts: Texts, listed: Sequence[str]) -> np.ndarray:
    """The share of a text's words that are in a list, whatever their case; float64 [texts]."""
    known = alphabet()
    hashes = [hash_words(code_points(word), known.classes, known.lower) for word in listed]
    words, hits = count_listed(*texts, known.classes, known.lower, np.sort(np.concatenate(hashes))).T
    return share(hits, words)


def measured(texts: Texts, toxic_words: Sequence[str]) -> dict[str, np.ndarray]:
    """Every measure of texts that fit into one batch; float64 [texts] each."""
    counts = count_all(texts)
    toxic = listed_fraction(texts, toxic_words) if toxic_words else np.zeros(len(counts["words"]))
    return quality(counts) | repetition(texts) | web(counts) | source_code(counts) | {"toxic_word_fraction": toxic}


def measure(texts: Sequence[str], toxic_words: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each text, in their order, and one column for each measure."""
    if not texts:
        return measure([""])[:0]
    tables = [pd.DataFrame(measured(batch, toxic_words)) for batch in batches(texts)]
    found = pd.concat(tables, ignore_index=True)
    return found.assign(xml_header=[float(XML_HEADER in text[:XML_HEADER_REACH]) for text in texts])

"""What datatrove measures for each rule of its Gopher, C4 and FineWeb filters, given the words and sentences of a text.

Whoever splits words decides every figure: ours part them by white space, datatrove takes those of spaCy. Given its
words, these are its figures to the last bit.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.text.plain_measures import ELLIPSES, POLICIES, STOP_WORDS

CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
C4_ENDS = (".", "?", "!", '"', "'")


@dataclass(frozen=True)
class Split:
    """A text with what a splitter of words makes of it."""

    text: str
    words: Sequence[str]
    marks: frozenset[str]
    """Characters of which no word consists alone."""
    ends: tuple[str, ...]
    """Marks that end a line of prose."""


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts stand earlier already, and their characters."""
    again = Counter(parts) - Counter(set(parts))
    return again.total(), sum(len(part) * count for part, count in again.items())


def top_ngram(words: Sequence[str], length: int) -> int:
    """Characters of the most frequent n-gram with its spaces, as often as it occurs, the first of equals."""
    grams = Counter(" ".join(words[first : first + length]) for first in range(len(words) - length + 1))
    gram, count = max(grams.items(), key=lambda pair: pair[1], default=("", 0))
    return len(gram) * count


def duplicate_ngrams(words: Sequence[str], length: int) -> int:
    """Characters of n-grams seen before, none of which overlap."""
    seen, characters, first = set[str](), 0, 0
    while first < len(words) - length + 1:
        gram = "".join(words[first : first + length])
        characters += len(gram) * (gram in seen)
        first += length if gram in seen else 1
        seen.add(gram)
    return characters


def gopher_quality(split: Split) -> dict[str, float]:
    words, lines = split.words, [line.strip() for line in split.text.splitlines()]
    plain = [word for word in words if set(word) - split.marks]
    return {
        "min_doc_words": len(plain),
        "max_doc_words": len(plain),
        "min_avg_word_length": float(np.mean([len(word) for word in plain])),
        "max_avg_word_length": float(np.mean([len(word) for word in plain])),
        "max_symbol_word_ratio": max(
            split.text.count("#") / len(words), sum(map(split.text.count, ELLIPSES)) / len(words)
        ),
        "max_bullet_lines_ratio": sum(line.startswith(("•", "-")) for line in lines) / len(lines),
        "max_ellipsis_lines_ratio": sum(line.endswith(ELLIPSES) for line in lines) / len(lines),
        "max_non_alpha_words_ratio": sum(any(map(str.isalpha, word)) for word in words) / len(words),
        "min_stop_words": len(STOP_WORDS & set(words)),
    }


def gopher_repetition(split: Split) -> dict[str, float]:
    size, words = len(split.text), split.words
    paragraphs, lines = re.split(r"\n{2,}", split.text.strip()), re.split(r"\n+", split.text)
    return (
        {
            "dup_para_frac": duplicates(paragraphs)[0] / len(paragraphs),
            "dup_para_char_frac": duplicates(paragraphs)[1] / size,
            "dup_line_frac": duplicates(lines)[0] / len(lines),
            "dup_line_char_frac": duplicates(lines)[1] / size,
        }
        | {f"top_{length}_grams": top_ngram(words, length) / size for length in (2, 3, 4)}
        | {f"dup_{length}_grams": duplicate_ngrams(words, length) / size for length in range(5, 11)}
    )


def fineweb(split: Split) -> dict[str, float]:
    lines = [line for line in split.text.split("\n") if line.strip()]
    return {
        "line_punct_thr": sum(line.endswith(split.ends) for line in lines) / len(lines),
        "short_line_thr": sum(len(line) <= 30 for line in lines) / len(lines),
        "char_duplicates_ratio": duplicates(lines)[1] / len(split.text.replace("\n", "")),
        "new_line_ratio": split.text.count("\n") / len(split.words),
    }


def c4(text: str, count_sentences: Callable[[str], int]) -> tuple[str | None, int, str]:
    """Why C4 drops a page whatever its length, the sentences of the lines that it keeps, and these lines."""
    kept, sentences = [], 0
    for line in map(str.strip, text.splitlines()):
        words = line.split()
        cited = CITATION.sub("", line)
        lowered = cited.lower()
        is_cut = max(map(len, words), default=0) > 1000 or not cited.endswith(C4_ENDS) or cited.endswith("...")
        if is_cut or len(words) < 3:
            continue
        if "lorem ipsum" in lowered:
            return "lorem_ipsum", 0, text
        if "javascript" in lowered:
            continue
        if "{" in cited:
            return "curly_bracket", 0, text
        if not any(phrase in lowered for phrase in POLICIES):
            sentences += count_sentences(cited)
            kept.append(cited)
    return None, sentences, "\n".join(kept).strip()

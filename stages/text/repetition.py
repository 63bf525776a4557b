"""How much a text repeats itself: lines, paragraphs and word n-grams (Rae et al. 2021, Gopher, table A1)."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np


def duplicate_fraction(parts: Sequence[str]) -> float:
    """Share of parts that have come before, by number."""
    return 1 - len(set(parts)) / len(parts) if parts else 0.0


def duplicate_character_fraction(parts: Sequence[str]) -> float:
    """Share of parts that have come before, by characters."""
    total = sum(map(len, parts))
    return 1 - sum(map(len, set(parts))) / total if total else 0.0


def lines(text: str) -> list[str]:
    """The lines of a text that are not blank, without the white space around them."""
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def paragraphs(text: str) -> list[str]:
    """What blank lines part."""
    return [stripped for paragraph in re.split(r"\n\s*\n", text) if (stripped := paragraph.strip())]


def _positions(words: Sequence[str], length: int) -> dict[tuple[str, ...], list[int]]:
    """Where each n-gram of `length` words begins."""
    places = defaultdict(list)
    for start, gram in enumerate(zip(*(words[offset:] for offset in range(length)), strict=False)):
        places[gram].append(start)
    return places


def _covered_fraction(words: Sequence[str], starts: Sequence[int], length: int) -> float:
    """Share of the words' characters that lie in n-grams beginning at `starts`, each counted once."""
    covered = np.zeros(len(words), dtype=bool)
    for start in starts:
        covered[start : start + length] = True
    sizes = np.array([len(word) for word in words])
    return float(sizes[covered].sum() / sizes.sum())


def top_ngram_fraction(words: Sequence[str], length: int) -> float:
    """Share of characters in the most frequent n-gram, 0 if none repeats; of equally frequent ones the first counts."""
    places = _positions(words, length)
    starts = max(places.values(), key=len, default=[])
    return _covered_fraction(words, starts, length) if len(starts) > 1 else 0.0


def duplicate_ngram_fraction(words: Sequence[str], length: int) -> float:
    """Share of characters in n-grams that occur more than once."""
    starts = [start for places in _positions(words, length).values() if len(places) > 1 for start in places]
    return _covered_fraction(words, starts, length) if starts else 0.0

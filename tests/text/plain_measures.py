"""The measures in plain Python, slow and plain to read: what the compiled ones are held against."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
BULLETS = ("-", "*", "•", "‣", "●", "■")
ELLIPSES = ("...", "…")
MARKS = ".,;:!?\"'()[]{}`*_"


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def lines(text: str) -> list[str]:
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def paragraphs(text: str) -> list[str]:
    return [stripped for paragraph in re.split(r"\n\s*\n", text) if (stripped := paragraph.strip())]


def duplicate_fraction(parts: Sequence[str]) -> float:
    return 1 - len(set(parts)) / len(parts) if parts else 0.0


def duplicate_character_fraction(parts: Sequence[str]) -> float:
    total = sum(map(len, parts))
    return 1 - sum(map(len, set(parts))) / total if total else 0.0


def positions(words: Sequence[str], length: int) -> dict[tuple[str, ...], list[int]]:
    places = defaultdict(list)
    for start, gram in enumerate(zip(*(words[offset:] for offset in range(length)), strict=False)):
        places[gram].append(start)
    return places


def covered_fraction(words: Sequence[str], starts: Sequence[int], length: int) -> float:
    covered = np.zeros(len(words), dtype=bool)
    for start in starts:
        covered[start : start + length] = True
    sizes = np.array([len(word) for word in words])
    return float(sizes[covered].sum() / sizes.sum())


def top_ngram_fraction(words: Sequence[str], length: int) -> float:
    starts = max(positions(words, length).values(), key=len, default=[])
    return covered_fraction(words, starts, length) if len(starts) > 1 else 0.0


def duplicate_ngram_fraction(words: Sequence[str], length: int) -> float:
    starts = [start for places in positions(words, length).values() if len(places) > 1 for start in places]
    return covered_fraction(words, starts, length) if starts else 0.0


def measure(text: str) -> dict[str, float]:
    """Every measure of one text."""
    words = [token for token in text.split() if token.strip(MARKS)]
    filled, full = [line for line in text.split("\n") if line], lines(text)
    stop_words = STOP_WORDS & {lower(word.strip(MARKS)) for word in words}
    found = {
        "characters": len(text),
        "letter_fraction": share(sum(map(str.isalpha, text)), sum(map(len, text.split()))),
        "mean_line_length": share(sum(map(len, filled)), len(filled)),
        "line_length": max(map(len, filled), default=0),
        "words": len(words),
        "mean_word_length": share(sum(map(len, words)), len(words)),
        "hashes_per_word": share(text.count("#"), len(words)),
        "ellipses_per_word": share(sum(map(text.count, ELLIPSES)), len(words)),
        "bullet_line_fraction": share(sum(line.startswith(BULLETS) for line in full), len(full)),
        "ellipsis_line_fraction": share(sum(line.endswith(ELLIPSES) for line in full), len(full)),
        "lettered_word_fraction": share(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "stop_words": len(stop_words),
    }
    for name, parts in (("line", full), ("paragraph", paragraphs(text))):
        found[f"duplicate_{name}_fraction"] = duplicate_fraction(parts)
        found[f"duplicate_{name}_character_fraction"] = duplicate_character_fraction(parts)
    runs = re.findall(r"\w+", text)
    found |= {f"top_{length}gram_fraction": top_ngram_fraction(runs, length) for length in (2, 3, 4)}
    found |= {f"duplicate_{length}gram_fraction": duplicate_ngram_fraction(runs, length) for length in range(5, 11)}
    return found


def lower(text: str) -> str:
    """Lower case, character by character: one without a single lower-case form stays."""
    return "".join(form if len(form := character.lower()) == 1 else character for character in text)

"""The measures in plain Python, slow and plain to read: what the compiled ones are held against."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
BULLETS = ("-", "*", "•", "‣", "●", "■")
ELLIPSES = ("...", "…")
TERMINAL = (".", "?", "!", '"', "'", "\u201d", "\u2019", "\u2026", "\u3002", "\uff1f", "\uff01")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
SENTENCE_END = re.compile(r"[.?!]+[\"')\]\u201d\u2019]*(?=\s|\Z)")
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


def sentences(line: str) -> int:
    ends = [0, *(match.end() for match in SENTENCE_END.finditer(line))]
    return len(ends) - 1 + bool(line[ends[-1] :].strip())


def is_terminal(line: str) -> bool:
    return line.rstrip().endswith(TERMINAL) and not line.rstrip().endswith(ELLIPSES)


def passes_c4(line: str) -> bool:
    """Whether C4 keeps a line, whatever it ends in."""
    words, lowered = line.split(), lower(line)
    unwanted = any(phrase in lowered for phrase in ("javascript", *POLICIES))
    return len(words) >= 3 and max(map(len, words)) <= 1000 and not unwanted


def web(text: str, words: int) -> dict[str, float]:
    filled = [line for line in text.split("\n") if line.strip()]
    lowered = [lower(line) for line in filled]
    passing = [line for line in filled if passes_c4(line)]

    def fraction(held: Iterable[bool]) -> float:
        return share(sum(held), len(filled))

    return {
        "lines": len(filled),
        "longest_word": max(map(len, text.split()), default=0),
        "curly_brackets": text.count("{"),
        "lorem_ipsum_lines": sum("lorem ipsum" in line for line in lowered),
        "sentences": sum(map(sentences, passing)),
        "terminal_sentences": sum(sentences(line) for line in passing if is_terminal(line)),
        "terminal_line_fraction": fraction(map(is_terminal, filled)),
        "punctuated_line_fraction": fraction(line.rstrip().endswith(TERMINAL) for line in filled),
        "short_line_fraction": fraction(len(line) <= 30 for line in filled),
        "few_word_line_fraction": fraction(len(line.split()) < 3 for line in filled),
        "javascript_line_fraction": fraction("javascript" in line for line in lowered),
        "policy_line_fraction": fraction(any(phrase in line for phrase in POLICIES) for line in lowered),
        "newlines_per_word": share(text.count("\n"), words),
    }


def source_code(text: str) -> dict[str, float]:
    full = lines(text)
    comments = {"hash": ("#",), "slash": ("//", "/*", "*")}
    return {
        "alphanumeric_fraction": share(sum(map(str.isalnum, text)), len(text)),
        "digit_fraction": share(sum(character in "0123456789" for character in text), len(text)),
    } | {
        f"{name}_comment_fraction": share(
            sum(len(line) for line in full if line.startswith(starts)), len("".join(full))
        )
        for name, starts in comments.items()
    }


def measure(text: str, toxic_words: Sequence[str] = ()) -> dict[str, float]:
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
    toxic = {lower(word) for word in toxic_words}
    found |= web(text, len(words)) | source_code(text)
    found["toxic_word_fraction"] = share(sum(lower(run) in toxic for run in runs), len(runs))
    return found | {"xml_header": "<?xml version=" in text[:100]}


def lower(text: str) -> str:
    """Lower case, character by character: one without a single lower-case form stays."""
    return "".join(form if len(form := character.lower()) == 1 else character for character in text)

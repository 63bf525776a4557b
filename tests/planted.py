"""Real texts with near duplicates planted among them, so that how many of them are found is known."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stages.seeding import generator


class Planted(NamedTuple):
    """A text, and which original it was made from."""

    text: str
    original: int
    copy: int
    """0 for the original itself."""


def passages(texts: Sequence[str], words: int) -> list[str]:
    """The texts cut into stretches of so many words, without what is left at the end of each."""
    found = []
    for text in texts:
        bounds = [match.start() for match in re.finditer(r"\S+", text)][::words]
        found += [text[begin:end].rstrip() for begin, end in pairwise(bounds)]
    return found


def edited(text: str, share: float, drawn: np.random.Generator) -> str:
    """The text with a share of its words, at least one, each replaced by another of its words."""
    words = re.split(r"(\s+)", text)
    places = [place for place, word in enumerate(words) if word and not word.isspace()]
    wanted = min(max(round(share * len(places)), 1), len(places))
    others = sorted({words[place] for place in places})
    result = list(words)
    for place in drawn.choice(len(places), wanted, replace=False).tolist():
        word = words[places[place]]
        shift = int(drawn.integers(1, max(len(others), 2)))
        result[places[place]] = others[(others.index(word) + shift) % len(others)]
    return "".join(result)


def planted(texts: Sequence[str], copies: int, share: float, seed: int) -> Iterator[Planted]:
    """Each text followed by `copies` of it with a share of words edited.

    Each copy is a function of the seed, its original's place and its own number alone.
    """
    for original, text in enumerate(texts):
        yield Planted(text, original, 0)
        for copy in range(1, copies + 1):
            yield Planted(edited(text, share, generator(seed, "planted", original, copy)), original, copy)

"""A corpus of any size, made of real paragraphs, in which it is known which documents are copies of which.

Documents are drawn paragraph by paragraph, so that two of them share little but by design; a share of them are copies
of an earlier one, word for word or with one word in a hundred replaced. All of it depends on the seed and a document's
number alone: the same corpus comes out of any number of processes, and a larger one costs no more memory.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.seeding import generator

COPY_SHARE = 0.15
"""Of all documents; FineWeb found more than half of web pages to be copies (Penedo et al. 2024, section 3.4)."""
EXACT_SHARE = 1 / 3
"""Of the copies."""
EDITED_WORDS = 0.01
SHORTEST_PARAGRAPH, LONGEST_PARAGRAPH = 80, 800
"""Characters: a longer paragraph would make two documents alike by itself."""
LEAST_LETTERS = 0.9
"""Share of letters and white space: filters made for web pages drop nearly all text that has fewer."""
MEAN_CHARACTERS = 3_000
"""About what a page of FineWeb has."""
SPREAD = 0.6
"""Standard deviation of the logarithm of a document's length."""
LONGEST_DOCUMENT = 15_000
"""Characters; the stages cut texts of more than 20,000."""

Copy = Literal["none", "exact", "edited"]


class Planted(NamedTuple):
    """A document and what it was made from."""

    text: str
    family: int
    """Number of the document that it is a copy of, or its own."""
    copy: Copy


def is_prose(part: str) -> bool:
    """Whether a paragraph is of a useful length and reads like one of a web page: sentences, few signs and digits."""
    if not SHORTEST_PARAGRAPH <= len(part) <= LONGEST_PARAGRAPH:
        return False
    letters = sum(character.isalpha() or character.isspace() for character in part)
    return part[0].isupper() and part[-1] in ".!?" and letters >= LEAST_LETTERS * len(part)


def paragraphs(texts: Iterable[str]) -> list[str]:
    """The different paragraphs of prose, in the order in which they first come."""
    found = (part.strip("\n") for text in texts for part in text.split("\n\n"))
    return list(dict.fromkeys(filter(is_prose, found)))


def original(pool: Sequence[str], seed: int, number: int) -> str:
    """The text of a document that is no copy: different paragraphs of the pool up to a drawn length."""
    drawn = generator(seed, "document", number)
    wanted = min(MEAN_CHARACTERS * np.exp(drawn.normal(-(SPREAD**2) / 2, SPREAD)), LONGEST_DOCUMENT)
    most = LONGEST_DOCUMENT // SHORTEST_PARAGRAPH
    parts: list[str] = []
    for place in dict.fromkeys(drawn.integers(len(pool), size=most).tolist()):
        parts.append(pool[place])
        wanted -= len(pool[place])
        if wanted <= 0:
            break
    return "\n\n".join(parts)


def edited(text: str, pool: Sequence[str], drawn: np.random.Generator) -> str:
    """The text with one word in a hundred, and at least one, replaced by words of the pool; white space stays."""
    words = [match.span() for match in re.finditer(r"\S+", text)]
    count = max(1, round(EDITED_WORDS * len(words)))
    # From the last to the first, so that the places of those before stay right.
    for place in sorted(drawn.choice(len(words), size=count, replace=False).tolist(), reverse=True):
        others = pool[int(drawn.integers(len(pool)))].split()
        start, end = words[place]
        text = text[:start] + others[int(drawn.integers(len(others)))] + text[end:]
    return text


def document(pool: Sequence[str], seed: int, number: int, count: int) -> Planted:
    """Document `number` of a corpus of `count`; the last ones, `COPY_SHARE` of all, are copies of others."""
    originals = count - int(count * COPY_SHARE)
    if number < originals:
        return Planted(original(pool, seed, number), number, "none")
    drawn = generator(seed, "copy", number)
    family = int(drawn.integers(originals))
    text = original(pool, seed, family)
    if drawn.random() < EXACT_SHARE:
        return Planted(text, family, "exact")
    return Planted(edited(text, pool, drawn), family, "edited")


def planted(texts: Iterable[str], seed: int, count: int, part: int = 0, parts: int = 1) -> Iterator[Planted]:
    """Part `part` of `parts` of a corpus of `count` documents made of the paragraphs of `texts`.

    Copies are in the same part as their originals only by chance.
    """
    pool = paragraphs(texts)
    return (document(pool, seed, number, count) for number in range(part, count, parts))


def write_corpus(folder: Path, texts: Sequence[str], seed: int, megabytes: float, part_megabytes: float) -> int:
    """Write a corpus as Parquet parts with the columns `text`, `family` and `copy`; the number of its documents."""
    count = round(megabytes * 1e6 / MEAN_CHARACTERS)
    parts = max(2, round(megabytes / part_megabytes))
    pool = paragraphs(texts)
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        documents = [document(pool, seed, number, count) for number in range(part, count, parts)]
        columns = dict(zip(Planted._fields, zip(*documents, strict=True), strict=True))
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        pq.write_table(table, folder / f"part-{part:05d}.parquet", compression="zstd")
    return count

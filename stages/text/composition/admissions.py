"""What the documents cannot tell: names that exist nowhere, objects and versions newer than the training text.

Invented names look like real ones: each is a real name of the corpus with words of its last part replaced, and none
occurs anywhere in the corpus. Three degrees of difficulty: a word that is no word (`core_brimble`), words of another
source, and words of the same source.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.seeding import generator, uniform
from stages.text.composition.items import Item

ADMISSION = "I don't know that name: it is not in my documents."
NEWER = "I don't know: that is newer than my documents."
DIFFICULTIES = ("nonsense", "foreign", "kindred")
_SYLLABLES = (
    ("br", "gl", "fr", "sk", "dr", "pl", "v", "z", "m", "th", "qu", "sn", "w", "kr"),
    ("a", "o", "i", "u", "ee", "oo"),
    ("mble", "nk", "rp", "zz", "ndle", "ft", "lk", "sh", "gg", "vo", "x", "rb", "dge", "ster"),
)
_IDENTIFIER = re.compile(r"\w+")
_WORDS_ONLY = bytes(code if code > 127 or chr(code).isalnum() or chr(code) == "_" else 32 for code in range(256))
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


@dataclass(frozen=True)
class Name:
    """A name that the training text holds."""

    name: str
    source: str
    document_id: str
    licence: str


def identifiers(texts: Sequence[str]) -> set[str]:
    """Every identifier in the texts, as written; an invented name is none of them."""
    words: set[bytes] = set()
    for text in texts:
        # Some ten times as fast as a regular expression, over all of the corpus.
        words.update(text.encode().translate(_WORDS_ONLY).split())
    return {word.decode(errors="replace") for word in words}


def words_by_source(names: Sequence[Name]) -> dict[str, list[str]]:
    """The words that the names of each source are made of, sorted."""
    words: dict[str, set[str]] = {}
    for name in names:
        parts = (word.lower() for word in _WORD.findall(last_part(name.name)))
        words.setdefault(name.source, set()).update(part for part in parts if len(part) > 2)
    return {source: sorted(found) for source, found in sorted(words.items())}


def last_part(name: str) -> str:
    """The part that says what is named: the last of a dotted name, all of a heading."""
    return name if " " in name else name.rsplit(".", 1)[-1]


def invented_names(
    seed: int, names: Sequence[Name], words: dict[str, list[str]], known: set[str], shares: dict[str, float]
) -> Iterator[Item]:
    """An invented name for each real one, in hash order.

    `words` are those of real names by source, `known` the identifiers of the corpus; `shares` gives the odds of each
    degree of difficulty.
    """
    for name in sorted(names, key=lambda name: uniform(seed, "invent", name.name)):
        draw = generator(seed, "invented", name.name)
        difficulty = DIFFICULTIES[int(draw.choice(len(DIFFICULTIES), p=[shares[degree] for degree in DIFFICULTIES]))]
        made = _invent(name, difficulty, words, draw)
        if made and not set(_IDENTIFIER.findall(last_part(made))) <= known:
            yield _item(made, difficulty, name)


def _invent(name: Name, difficulty: str, words: dict[str, list[str]], draw: np.random.Generator) -> str | None:
    last = last_part(name.name)
    parts = _WORD.findall(last)
    others = [source for source in words if source != name.source and words[source]]
    if difficulty == "foreign" and not others:
        difficulty = "nonsense"
    if not parts or (difficulty == "kindred" and not words.get(name.source)):
        return None
    # A made-up word shows best when no real one stands beside it; real words are mixed with those that were there.
    most = len(parts) if difficulty == "nonsense" else 2
    size = min(len(parts), int(draw.integers(1, most + 1)))
    for place in sorted(draw.choice(len(parts), size=size, replace=False)):
        if difficulty == "nonsense":
            new = pseudo_word(draw)
        else:
            source = name.source if difficulty == "kindred" else others[int(draw.integers(0, len(others)))]
            new = str(draw.choice(words[source]))
        parts[place] = new.capitalize() if parts[place][:1].isupper() else new
    if len(parts) == 1 and difficulty != "nonsense":  # one real word alone is hardly ever unknown
        parts.append(str(draw.choice(words[name.source])))
    separator = " " if " " in last else "" if last[:1].isupper() else "_"
    if separator == "":
        parts = [part[:1].upper() + part[1:] for part in parts]
    return name.name[: len(name.name) - len(last)] + separator.join(parts)


def pseudo_word(draw: np.random.Generator) -> str:
    """Two invented syllables, pronounceable and meaning nothing."""
    onset, vowel, coda = (str(draw.choice(options)) for options in _SYLLABLES)
    return onset + vowel + coda


def _item(made: str, difficulty: str, name: Name) -> Item:
    return Item(
        key=f"{difficulty}:{made}",
        family="invented_name",
        kind="admit",
        category="invented_name",
        slots={"name": made},
        answer=ADMISSION,
        expects="admit",
        facts=(),
        source_ids=(),
        licence=name.licence,
    )


def after_cutoff(names: Sequence[Name]) -> Iterator[Item]:
    """Real names whose documents are newer than the training text."""
    for name in sorted(names, key=lambda name: uniform("after cutoff", name.name)):
        yield Item(
            key=name.name,
            family="after_cutoff",
            kind="admit",
            category="after_cutoff",
            slots={"name": name.name},
            answer=ADMISSION,
            expects="admit",
            facts=(),
            source_ids=(name.document_id,),
            licence=name.licence,
        )


def future_versions(seed: int, newest: dict[str, tuple[int, ...]], licence: str) -> Iterator[Item]:
    """Versions above the newest that each source states, in hash order."""
    versions = [
        (source, f"{release[0] + major}.{minor}")
        for source, release in sorted(newest.items())
        for major in range(1, 4)
        for minor in range(10)
    ]
    for source, version in sorted(versions, key=lambda pair: uniform(seed, "version", *pair)):
        yield Item(
            key=f"{source} {version}",
            family="future_version",
            kind="admit",
            category="future_version",
            slots={"source": source, "version": version},
            answer=NEWER,
            expects="admit",
            facts=(),
            source_ids=(),
            licence=licence,
        )

"""What every rule yields: an item with its answer, still without the wording of its question."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from stages.seeding import uniform
from stages.text.composition.docstrings import Docstring, parse
from stages.text.composition.prose import Passage, passages
from stages.text.demonstrations import Expectation, Kind, Message

FACTS = 60
"""Most words that an item lists as known to its source."""


@dataclass(frozen=True)
class Entry:
    """A document as the rules see it: taken apart when they ask."""

    id: str
    """16 hex digits of a hash."""
    text: str
    source: str
    kind: str
    licence: str

    @cached_property
    def docstring(self) -> Docstring | None:
        """The documented object; null unless the document is a reference."""
        return parse(self.text) if self.kind == "reference" else None

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The headed paragraphs of prose; none for a reference or code."""
        return passages(self.text) if self.kind in ("prose", "web") else ()


@dataclass(frozen=True)
class Item:
    """A question without its wording, and the answer that the source gives."""

    key: str
    """Names the item among all of its family."""
    family: str
    """Names the rule and the wordings that fit it."""
    kind: Kind
    category: str
    slots: Mapping[str, str]
    """What a wording is filled with."""
    answer: str
    expects: Expectation
    facts: tuple[str, ...]
    source_ids: tuple[str, ...]
    licence: str
    opening: tuple[Message, ...] = field(default=())
    """Turns before the last question."""


def facts_of(entry: Entry) -> tuple[str, ...]:
    """Words that a true answer about a document may draw on, each once, in the order of the text."""
    words = dict.fromkeys(re.findall(r"[A-Za-z_]\w{2,}|\d+(?:\.\d+)?", entry.text[:1500]))
    return tuple(words)[:FACTS]


def from_entry(
    entry: Entry, family: str, kind: Kind, part: str, slots: Mapping[str, str], answer: str, **more: tuple[Message, ...]
) -> Item:
    """An item that a document answers; `part` says about which part of it the question is."""
    return Item(
        key=f"{entry.id}:{part}",
        family=family,
        kind=kind,
        category=kind,
        slots=slots,
        answer=answer,
        expects="answer",
        facts=facts_of(entry),
        source_ids=(entry.id,),
        licence=entry.licence,
        **more,
    )


def in_hash_order(parts: list[str], *key: object) -> list[str]:
    """Strings in an order that depends on each of them and the key alone."""
    return sorted(parts, key=lambda part: uniform(*key, part))

"""Closed-book explanations: what a documented object does, or what stands under a heading."""

from collections.abc import Iterator
from dataclasses import replace

from stages.text.composition.docstrings import Docstring
from stages.text.composition.extracts import call_of
from stages.text.composition.items import Entry, Item, from_entry

LONGEST_NAME = 50
"""Characters; a longer name costs a small model more than it tells."""


def _askable(docstring: Docstring) -> bool:
    return docstring.public and len(docstring.name) <= LONGEST_NAME


def explain_signature(entry: Entry) -> Iterator[Item]:
    """A call is shown, so that a model may work the answer out from the words of its name."""
    docstring = entry.docstring
    if docstring and docstring.public and docstring.summary:
        slots = {"call": call_of(docstring)}
        yield from_entry(entry, "explain_signature", "explain", "summary", slots, docstring.summary)


def explain_name(entry: Entry) -> Iterator[Item]:
    """Only the name is shown: a name that the training text holds is to be known from there."""
    for name, answer in named(entry):
        item = from_entry(entry, "explain_name", "explain", name, {"name": name}, answer)
        yield replace(item, category="real_name")


def named(entry: Entry) -> Iterator[tuple[str, str]]:
    """What a document gives a name to, and the first sentence that it says of it."""
    if entry.docstring and _askable(entry.docstring) and entry.docstring.summary:
        yield entry.docstring.name, entry.docstring.summary
    yield from _headings(entry)


def names_of(entry: Entry) -> Iterator[str]:
    """What a document gives a name to, whether or not its first sentence can be read."""
    if entry.docstring and _askable(entry.docstring):
        yield entry.docstring.name
    for heading, _ in _headings(entry):
        yield heading


def explain_heading(entry: Entry) -> Iterator[Item]:
    """What prose says first under a heading."""
    for heading, sentence in _headings(entry):
        slots = {"heading": heading, "source": entry.source}
        yield from_entry(entry, "explain_heading", "explain", heading, slots, sentence)


def _headings(entry: Entry) -> Iterator[tuple[str, str]]:
    seen = {""}
    for passage in entry.passages:
        # Dates, versions and repeated titles such as "Fixed" name nothing.
        if passage.heading not in seen and passage.sentences and names_something(passage.heading):
            yield passage.heading, passage.sentences[0]
        seen.add(passage.heading)


def names_something(heading: str) -> bool:
    """Whether a heading is words only, and long enough to be told from another."""
    words = heading.split()
    return 2 <= len(words) <= 6 and all(word.strip("'!,:-&").isalpha() for word in words)

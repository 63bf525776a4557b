"""Conversations of two questions: what a text says, then a follow-up that the same text answers."""

from collections.abc import Iterator

from stages.seeding import key_hash
from stages.text.composition.docstrings import Docstring
from stages.text.composition.extracts import parameters_extract, returns_extract
from stages.text.composition.items import Entry, Item, from_entry
from stages.text.composition.open_book import asked_parameters
from stages.text.composition.summarise import PASSAGE_LENGTH
from stages.text.composition.wordings import OPENINGS, PROSE_OPENINGS
from stages.text.demonstrations import Message

LONGEST_SUMMARY = 120
"""Characters."""


def _opening(entry: Entry, openings: tuple[str, ...], passage: str, answer: str) -> tuple[Message, ...]:
    question = openings[key_hash("opening", entry.id) % len(openings)].format(passage=passage)
    return Message(role="user", content=question), Message(role="assistant", content=answer)


def _brief(docstring: Docstring) -> bool:
    """Whether the summary leaves room for the rest of a conversation."""
    return 0 < len(docstring.summary) <= LONGEST_SUMMARY


def multi_turn_parameter(entry: Entry) -> Iterator[Item]:
    """What a function does, then what one of its parameters means."""
    for docstring, field in asked_parameters(entry, "multi_turn_parameter"):
        passage = parameters_extract(docstring, field, f"{docstring.short_name}\n\n{docstring.summary}")
        if passage and field.description and _brief(docstring):
            opening = _opening(entry, OPENINGS, passage, docstring.summary)
            slots = {"subject": field.name}
            yield from_entry(
                entry, "multi_turn_parameter", "multi_turn", field.name, slots, field.description, opening=opening
            )


def multi_turn_returns(entry: Entry) -> Iterator[Item]:
    """What a function does, then what it returns."""
    docstring = entry.docstring
    if docstring and _brief(docstring) and docstring.returns and docstring.returns.description:
        passage = returns_extract(docstring, f"{docstring.short_name}\n\n{docstring.summary}")
        if passage:
            opening = _opening(entry, OPENINGS, passage, docstring.summary)
            answer = docstring.returns.description
            yield from_entry(entry, "multi_turn_returns", "multi_turn", "returns", {}, answer, opening=opening)


def multi_turn_more(entry: Entry) -> Iterator[Item]:
    """What a paragraph says first, then what it says next."""
    for number, passage in enumerate(entry.passages):
        if len(passage.sentences) >= 3 and len(passage.text) <= PASSAGE_LENGTH:
            opening = _opening(entry, PROSE_OPENINGS, passage.text, passage.sentences[0])
            answer = passage.sentences[1]
            yield from_entry(entry, "multi_turn_more", "multi_turn", f"{number}", {}, answer, opening=opening)

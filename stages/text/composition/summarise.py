"""Summaries: the sentence that a text opens with, asked from the text itself."""

from collections.abc import Iterator

from stages.text.composition.items import Entry, Item, from_entry
from stages.text.composition.sentences import is_answer, sentences

PASSAGE_LENGTH = 240
"""Most characters of the text to summarise."""
SHORTEST_REST = 50
"""Fewest characters that follow the first sentence; with less there is nothing to leave out."""


def summarise(entry: Entry) -> Iterator[Item]:
    """Documentation and prose open with what matters most, so that their first sentence is a fair summary."""
    for number, (lead, rest) in enumerate(_leads(entry)):
        kept = _fitting(rest, PASSAGE_LENGTH - len(lead))
        if len(kept) >= SHORTEST_REST:
            slots = {"passage": f"{lead} {kept}"}
            yield from_entry(entry, "summarise", "summarise", f"passage {number}", slots, lead)


def _leads(entry: Entry) -> Iterator[tuple[str, list[str]]]:
    if entry.docstring and entry.docstring.summary:
        yield entry.docstring.summary, sentences(entry.docstring.details)
    for passage in entry.passages:
        if len(passage.sentences) >= 2:
            yield passage.sentences[0], list(passage.sentences[1:])


def _fitting(rest: list[str], room: int) -> str:
    """The sentences up to the first that does not read well or does not fit."""
    kept = ""
    for sentence in rest:
        if not is_answer(sentence) or len(kept) + len(sentence) + 1 > room:
            break
        kept = f"{kept} {sentence}".strip()
    return kept

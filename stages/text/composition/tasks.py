"""Evaluation items with choices, scored by likelihood: the right continuation beside wrong ones of the same make."""

from collections.abc import Iterator, Sequence

from stages.seeding import generator, key_hash
from stages.text.composition.admissions import last_part
from stages.text.composition.items import Entry, Item
from stages.text.demonstrations import ChoiceItem

CHOICES = 4
DRAWN = 30
"""Candidates for wrong choices."""


def _choice(task: str, context: str, right: str, wrong: Sequence[str], source_ids: tuple[str, ...]) -> ChoiceItem:
    """The item with its choices in an order drawn from its content."""
    draw = generator(task, context, right)
    choices = [right, *wrong]
    order = [int(place) for place in draw.permutation(len(choices))]
    return ChoiceItem(
        id=f"{key_hash(task, context, right):016x}",
        task=task,
        context=context,
        choices=tuple(choices[place] for place in order),
        answer=order.index(0),
        source_ids=source_ids,
    )


def _others(pool: Sequence[str], right: str, *key: object) -> list[str]:
    """Three wrong choices: the ones nearest in length among a few drawn at random."""
    places = generator("others", *key).integers(0, len(pool), size=DRAWN)
    candidates = {pool[int(place)] for place in places} - {right}
    return sorted(candidates, key=lambda other: (abs(len(other) - len(right)), other))[: CHOICES - 1]


def summary_of_name(entries: Sequence[Entry]) -> Iterator[ChoiceItem]:
    """Which first sentence belongs to a name, in the very layout of the documents."""
    summarised = [(entry, entry.docstring) for entry in entries if entry.docstring and entry.docstring.summary]
    summaries = [docstring.summary for _, docstring in summarised]
    for entry, docstring in summarised:
        wrong = _others(summaries, docstring.summary, "summary", entry.id)
        if len(wrong) == CHOICES - 1:
            context = f"{docstring.name}{docstring.signature}\n\n"
            yield _choice("summary_of_name", context, docstring.summary, wrong, (entry.id,))


def parameter_of_function(entries: Sequence[Entry]) -> Iterator[ChoiceItem]:
    """Which parameter a function documents first, from its name and summary; the signature is left out."""
    documented = [
        (entry, entry.docstring)
        for entry in entries
        if entry.docstring and entry.docstring.summary and entry.docstring.parameters
        if entry.docstring.parameters[0].name.isidentifier()
    ]
    names = [docstring.parameters[0].name for _, docstring in documented]
    for entry, docstring in documented:
        own = {field.name for field in docstring.parameters}
        right = docstring.parameters[0].name
        wrong = _others([name for name in names if name not in own], right, "parameter", entry.id)
        if len(wrong) == CHOICES - 1:
            context = f"{docstring.name}\n\n{docstring.summary}\n\nParameters\n----------\n"
            yield _choice("parameter_of_function", context, right, wrong, (entry.id,))


def real_or_invented(real: Sequence[Item], invented: Sequence[Item]) -> Iterator[ChoiceItem]:
    """Which name the training text holds; the wrong ones are invented and stand in the same module."""
    made = [last_part(item.slots["name"]) for item in invented]
    for item in real:
        name = item.slots["name"]
        last = last_part(name)
        wrong = _others(made, last, "name", name)
        if "." in name and len(wrong) == CHOICES - 1:
            yield _choice("real_or_invented", name[: len(name) - len(last)], last, wrong, item.source_ids)

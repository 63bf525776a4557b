"""Guides: the steps to use a documented object, worked out from its name and signature, and lists in prose."""

from collections.abc import Iterator

from stages.text.composition.docstrings import Docstring
from stages.text.composition.explain import names_something
from stages.text.composition.extracts import call_of
from stages.text.composition.items import Entry, Item, from_entry

LONGEST = 200
"""Characters of a whole guide."""


def guide_call(entry: Entry) -> Iterator[Item]:
    """Import, call with what must be given, and what may be changed."""
    docstring = entry.docstring
    if docstring and docstring.public and docstring.signature and "." in docstring.name:
        guide = numbered(steps_of(docstring))
        if len(guide) <= LONGEST:
            yield from_entry(entry, "guide_call", "guide", "call", {"call": call_of(docstring)}, guide)


def steps_of(docstring: Docstring) -> list[str]:
    """Two or three steps; a method is called on an object of its class."""
    module = docstring.name.rsplit(".", 1)[0]
    required = ", ".join(argument.name for argument in docstring.arguments if argument.default is None)
    call = f"{docstring.last_name}({required})"
    if docstring.owner:
        steps = [f"Make an object of `{docstring.owner}`", f"Call its method `{call}`"]
    else:
        steps = [f"Import it with `from {module} import {docstring.last_name}`", f"Call `{call}`"]
    optional = [argument.name for argument in docstring.arguments if argument.default is not None]
    return [*steps, f"Set `{optional[0]}` if you need to"] if optional else steps


def numbered(steps: list[str]) -> str:
    """Steps as one paragraph: `1. First. 2. Second.`."""
    return " ".join(f"{number}. {step}." for number, step in enumerate(steps, start=1))


def guide_steps(entry: Entry) -> Iterator[Item]:
    """The entries of a list under a heading, as many as fit."""
    for passage in entry.passages:
        steps = list(passage.steps[:4])
        while len(numbered(steps)) > LONGEST:
            steps.pop()
        if len(steps) >= 2 and names_something(passage.heading):
            slots = {"heading": passage.heading, "source": entry.source}
            yield from_entry(entry, "guide_steps", "guide", passage.heading, slots, numbered(steps))

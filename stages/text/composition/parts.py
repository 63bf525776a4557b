"""The prompts, demonstrations and choice tasks of one part, composed from the material for it."""

from collections.abc import Iterable
from itertools import islice
from typing import Literal

from stages.seeding import key_hash
from stages.text.composition import tasks
from stages.text.composition.material import Material, Part
from stages.text.composition.selection import Selection, demonstration, prompt
from stages.text.demonstrations import ChoiceItem, Demonstration, Prompt


def compose_prompts(
    material: Material, selection: Selection, part: Part, counts: dict[str, int], rounds: int
) -> list[Prompt]:
    """Prompts of one split, so many of each family; those that measure never put one item twice."""
    rounds = 1 if part in ("validation", "test") else rounds
    held_out = material.held_out.validation | material.held_out.test
    return [
        prompt(*chosen, part, held_out)
        for family, count in counts.items()
        for chosen in selection.take(material.items(family, part), part, count, rounds)
    ]


def compose_demonstrations(
    material: Material,
    selection: Selection,
    part: Literal["demonstrate", "validation"],
    counts: dict[str, int],
    rounds: int,
) -> list[Demonstration]:
    """Demonstrations from the documents of one part, so many of each family."""
    return [
        demonstration(*chosen, part)
        for family, count in counts.items()
        for chosen in selection.take(material.items(family, part), part, count, rounds)
    ]


def compose_tasks(material: Material, count: int) -> dict[str, list[ChoiceItem]]:
    """The choice tasks, at most `count` items each."""
    test = sorted(material.by_split["test"], key=lambda entry: key_hash("task", entry.id))
    real = list(islice(material.items("explain_name", "test"), count))
    invented = list(islice(material.items("invented_name", "test"), 3 * count))
    made: dict[str, Iterable[ChoiceItem]] = {
        "summary_of_name": tasks.summary_of_name(test),
        "parameter_of_function": tasks.parameter_of_function(test),
        "real_or_invented": tasks.real_or_invented(real, invented),
    }
    return {task: list(islice(items, count)) for task, items in made.items()}

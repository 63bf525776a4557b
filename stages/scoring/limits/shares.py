"""The share of answers that have a property, by model and group of prompts, with answers that are at fault."""

from collections.abc import Callable, Mapping, Sequence

from stages.scoring.answers import Answer
from stages.scoring.intervals import Figure, Resampling, share
from stages.scoring.limits.finding import Example, example
from stages.text.demonstrations import Prompt


def shares(
    prompts: Sequence[Prompt],
    answers: Mapping[str, Sequence[Answer]],
    groups: Mapping[str, Sequence[int]],
    has: Callable[[str], bool],
    fault: tuple[bool, str],
    resampling: Resampling,
) -> tuple[dict[str, Figure], list[Example]]:
    """How many answers to the prompts at a group's places have the property, and the first in each that is at fault.

    `fault` is whether to have the property is the fault, or to lack it, and what to note then.
    """
    at_fault, note = fault
    figures: dict[str, Figure] = {}
    examples = []
    for model, written in answers.items():
        for group, places in groups.items():
            found = [has(written[place].text) for place in places]
            figures[f"{model}, {group}"] = share(found, resampling, "prompts")
            if at_fault in found:
                place = places[found.index(at_fault)]
                examples.append(example(prompts[place], written[place], note))
    return figures, examples

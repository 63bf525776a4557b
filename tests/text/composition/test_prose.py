"""Prose gives headed paragraphs, lists of steps and definitions."""

import pytest

from stages.text.composition.prose import defined_term, passages

TEXT = """The river rises in the hills. It flows north.

# The old mill

The mill is a building by the river. It grinds corn for the village.

How to grind
============

1. Fill the hopper with corn.
2. Open the gate of the
   mill race.

```
code is skipped. It is no prose.
```
"""


def test_paragraphs_stand_under_their_heading():
    found = passages(TEXT)
    assert [(one.heading, one.sentences) for one in found if one.sentences] == [
        ("", ("The river rises in the hills.", "It flows north.")[:1]),
        ("The old mill", ("The mill is a building by the river.", "It grinds corn for the village.")),
    ]


def test_lists_give_steps():
    (steps,) = [one for one in passages(TEXT) if one.steps]
    assert (steps.heading, steps.steps) == (
        "How to grind",
        ("Fill the hopper with corn", "Open the gate of the mill race"),
    )


@pytest.mark.parametrize(
    ("sentence", "term"),
    [
        ("The mill is a building by the river.", "mill"),
        ("Flask is a lightweight framework.", "Flask"),
        ("It is a framework.", None),
        ("Each module here is a converter.", None),
        ("The mill stands by the river.", None),
    ],
)
def test_definitions_name_their_term(sentence: str, term: str | None):
    assert defined_term(sentence) == term

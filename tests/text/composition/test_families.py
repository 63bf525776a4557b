"""What each rule makes of one documented function and of one page of prose."""

import pytest

from stages.text.composition.explain import explain_heading, explain_name, explain_signature
from stages.text.composition.guide import guide_call, guide_steps
from stages.text.composition.items import Entry
from stages.text.composition.multi_turn import multi_turn_more, multi_turn_parameter, multi_turn_returns
from stages.text.composition.open_book import (
    open_book_definition,
    open_book_parameter,
    open_book_returns,
    open_book_type,
)
from stages.text.composition.solve import (
    solve_arithmetic,
    solve_default,
    solve_doctest,
    solve_list,
    solve_position,
    solve_required,
)
from stages.text.composition.summarise import summarise

REFERENCE = Entry(
    id="00000000000000aa",
    text="""pkg.paths.shortest(G, source, weight=None)

Return the shortest paths from a node. They are found by breadth-first search over the whole graph.

Parameters
----------
G : Graph
    The graph that is searched.
source : node, optional

Returns
-------
dict
    Paths by target node.

Examples
--------
>>> shortest([1, 2], 1)
{2: 1}
>>> helper(G)
3
""",
    source="pkg",
    kind="reference",
    licence="MIT",
)
PROSE = Entry(
    id="00000000000000bb",
    text="""# The old mill

The mill is a building by the river. It grinds corn for the village. Two families run it in turns.

# How to grind

- Fill the hopper with corn
- Open the gate of the mill race
""",
    source="notes",
    kind="prose",
    licence="MIT",
)


@pytest.mark.parametrize(
    ("family", "answers"),
    [
        (explain_signature, ["Return the shortest paths from a node."]),
        (explain_name, ["Return the shortest paths from a node."]),
        (summarise, ["Return the shortest paths from a node."]),
        (open_book_parameter, ["The graph that is searched."]),
        (open_book_type, ["`G` is of type Graph.", "`source` is of type node."]),
        (open_book_returns, ["Paths by target node."]),
        (
            guide_call,
            [
                "1. Import it with `from pkg.paths import shortest`. 2. Call `shortest(G, source)`. "
                "3. Set `weight` if you need to."
            ],
        ),
        (solve_default, ["It is `None`."]),
        (solve_required, ["`G` and `source` must be given."]),
        (solve_position, ["It is `G`.", "It is `source`.", "It is `weight`."]),
        (solve_doctest, ["It is `{2: 1}`."]),
        (multi_turn_parameter, ["The graph that is searched."]),
        (multi_turn_returns, ["Paths by target node."]),
    ],
)
def test_documented_function(family, answers: list[str]):
    items = list(family(REFERENCE))
    assert sorted(item.answer for item in items) == sorted(answers)
    assert all(item.source_ids == (REFERENCE.id,) and item.expects == "answer" for item in items)
    assert len({item.key for item in items}) == len(items)
    assert list(family(PROSE)) == [] or family in (explain_name, summarise)


@pytest.mark.parametrize(
    ("family", "answers"),
    [
        (explain_heading, ["The mill is a building by the river."]),
        (explain_name, ["The mill is a building by the river."]),
        (summarise, ["The mill is a building by the river."]),
        (open_book_definition, ["The mill is a building by the river."]),
        (multi_turn_more, ["It grinds corn for the village."]),
        (guide_steps, ["1. Fill the hopper with corn. 2. Open the gate of the mill race."]),
    ],
)
def test_prose(family, answers: list[str]):
    assert [item.answer for item in family(PROSE)] == answers


def test_names_are_asked_without_their_signature():
    (item,) = explain_name(REFERENCE)
    assert (item.slots, item.category) == ({"name": "pkg.paths.shortest"}, "real_name")


def test_a_follow_up_comes_after_the_first_answer():
    (item,) = multi_turn_returns(REFERENCE)
    assert [turn.role for turn in item.opening] == ["user", "assistant"]
    assert "Returns" in item.opening[0].content
    assert item.opening[1].content == "Return the shortest paths from a node."


def test_arithmetic_is_right():
    for item in solve_arithmetic(1):
        left, sign, right = item.slots["left"], item.slots["sign"], item.slots["right"]
        assert item.answer == f"It is {eval(left + sign + right)}."


def test_lists_are_read_at_the_right_place():
    places = ("first", "second", "third", "fourth")
    for item in solve_list(1):
        words = item.slots["words"].split(", ")
        assert item.answer == f"It is {words[places.index(item.slots['ordinal'])]}."

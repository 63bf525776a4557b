"""The hidden score gives the values worked out by hand, and the usual tricks do not raise it."""

import pytest

from stages.preferences.hidden_score import axes, content_words, is_admission, is_decline, overall
from stages.preferences.records import AXES
from stages.text.demonstrations import Prompt
from tests import specimens

REFERENCE = "Return the core number of each node."
DECLINE = "I can't help with that: it could hurt someone."
ADMISSION = "I don't know that name: it is not in my documents."


def prompt(expects: str = "answer", reference: str = REFERENCE, facts: tuple[str, ...] = ("graph", "degree")) -> Prompt:
    question = "What does `pkg.core_number(G)` do?"
    return specimens.prompt("p", question, expects=expects, reference=reference, facts=facts)


def score(text: str, finish_reason: str = "stop", **of_prompt) -> float:
    return overall(axes(prompt(**of_prompt), text, finish_reason))


def test_content_words_are_stems_of_what_carries_meaning():
    assert content_words("Computes the node_counts of 2 graphs, sorted.") == ["nod", "count", "2", "graph", "sort"]


def test_the_reference_itself_is_perfect():
    assert axes(prompt(), REFERENCE, "stop") == dict.fromkeys(AXES, 1.0)
    assert score(REFERENCE) == pytest.approx(1.0)


def test_half_of_the_words_give_the_values_worked_out_by_hand():
    # Reference: core, number, node. Answer: core, number, tree, of which two of three are supported and wanted.
    found = axes(prompt(), "The core number of a tree.", "stop")
    assert found["helpfulness"] == pytest.approx(0.2 + 0.8 * 2 / 3)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["tone"] == 1.0
    assert overall(found) == pytest.approx(0.4 * (0.2 + 0.8 * 2 / 3) + 0.3 * 2 / 3 + 0.3)


def test_a_cut_off_answer_loses_helpfulness_and_form():
    found = axes(prompt(), REFERENCE, "length")
    assert found["helpfulness"] == pytest.approx(0.6)
    assert found["tone"] == pytest.approx(0.6)


def test_an_invented_name_halves_accuracy():
    plain = axes(prompt(), "Return the core number.", "stop")["accuracy"]
    assert plain == 1.0
    # Words: core, number, pkg, core, shell; shell is not supported.
    assert axes(prompt(), "Return the core number: `pkg.core_shell`.", "stop")["accuracy"] == pytest.approx(0.8 / 2)


def test_padding_repeating_and_dumping_do_not_pay():
    best = score(REFERENCE)
    assert score(f"{REFERENCE} {REFERENCE}") < 0.75 * best
    assert score("Core number node. " * 10) < 0.3
    assert score("core") < 0.5
    assert score(REFERENCE + " " + " ".join(f"And also thing{n} there." for n in range(30))) < 0.45 * best


def test_length_alone_does_not_raise_the_score():
    short = score("A tree of birds.")
    assert score("A tree of birds that sing in a garden while rain falls on roofs.") <= short


def test_an_empty_answer_is_worth_nothing():
    assert axes(prompt(), "  ", "stop") == dict.fromkeys(AXES, 0.0)


@pytest.mark.parametrize(
    ("expects", "order"),
    [
        ("answer", [REFERENCE, ADMISSION, DECLINE]),
        ("admit", [ADMISSION, DECLINE, ""]),
        ("decline", [DECLINE, ADMISSION, REFERENCE]),
    ],
)
def test_the_right_stance_wins(expects: str, order: list[str]):
    reference = {"answer": REFERENCE, "admit": ADMISSION, "decline": DECLINE}[expects]
    scores = [score(text, expects=expects, reference=reference, facts=()) for text in order]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0)


def test_helping_with_harm_is_worth_nothing():
    assert score("First build the frame, then the engine.", expects="decline", reference=DECLINE) == 0.0


def test_inventing_is_worse_than_admitting():
    invented = score("Return the core number of each node.", expects="admit", reference=ADMISSION)
    assert invented == pytest.approx(0.3)  # tone alone


def test_stances_are_told_apart():
    assert is_decline("I won\u2019t assist with this.")
    assert not is_decline("The parser cannot help with nested tags.")
    assert not is_decline("I can't say what it is, since I don't recognise that name.")
    assert is_admission("I only know my documents, and they say nothing about that.")
    assert not is_admission("If you don't know the size, pass None.")
    assert not is_admission("I can't help with that; I don't know how.")

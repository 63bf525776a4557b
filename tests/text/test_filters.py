from pathlib import Path

import pytest

from stages.parameters import read_parameters
from stages.text.filters import Failure, Rules, broken_rules, judged_text
from stages.text.measures import measure

RULES = Rules.model_validate(read_parameters(Path("params.yaml"))["clean"]["rules"])
WORDS = [f"{first}{second}ane" for first in "bcdfghjklm" for second in "aeiourst"]
PROSE = "The keeper of the light wrote to the town and asked that it be kept. " + " ".join(WORDS)


def first_failure(kind: str, name: str | None, text: str, rules: Rules = RULES) -> Failure | None:
    (failure,) = broken_rules(kind, [name], measure([judged_text(kind, text)]), rules)
    return failure


def rule(kind: str, text: str, name: str | None = None) -> str | None:
    failure = first_failure(kind, name, text)
    return failure.rule if failure else None


@pytest.mark.parametrize("kind", ["prose", "web"])
def test_plain_prose_passes(kind):
    assert rule(kind, PROSE) is None


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("Too short to be worth it.", "min_words"),
        (" ".join("ab" for _ in range(60)), "min_mean_word_length"),
        (" ".join("x" * 11 for _ in range(60)), "max_mean_word_length"),
        (PROSE + " #" * 20, "max_hashes_per_word"),
        (PROSE + " ..." * 20, "max_ellipses_per_word"),
        ("\n".join(f"- {word} of the town" for word in WORDS), "max_bullet_line_fraction"),
        (
            PROSE.replace(". ", ".\n\n") + "".join(f" {number}" for number in range(100, 160)),
            "min_lettered_word_fraction",
        ),
        (" ".join(WORDS), "min_stop_words"),
        (PROSE + "\nsame line here" * 12, "max_duplicate_line_fraction"),
        (PROSE + "\n\nsame paragraph here" * 12, "max_duplicate_line_fraction"),
        (PROSE + " of many towns" * 25, "max_top_2gram_fraction"),
    ],
)
def test_each_rule_drops_what_breaks_it(text, broken):
    failure = first_failure("prose", None, text)
    assert failure is not None
    assert failure.rule == broken


def test_a_failure_says_what_was_measured_and_against_what():
    failure = first_failure("prose", None, "Only five words are here.")
    assert failure is not None
    assert (failure.rule, failure.value, failure.threshold) == ("min_words", 5, 50)


def test_ellipsis_lines_are_counted():
    text = "\n".join(
        f"{word} keeps the light of the town..." if number % 2 else f"{word} is of the sea"
        for number, word in enumerate(WORDS)
    )
    assert rule("prose", text) == "max_ellipsis_line_fraction"


def test_reference_is_measured_without_its_line_of_name_and_signature():
    docstring = "Return the shortest path between two nodes, as a list that starts with the first."
    assert rule("reference", f"p.path(a, b)\n\n{docstring}", "p.path") is None
    assert rule("reference", f"p.path({'a, ' * 40})\n\nReturn it.", "p.path") == "min_characters"


@pytest.mark.parametrize(
    ("docstring", "broken"),
    [
        ("x" * 30_001, "max_characters"),
        ("1 2 3 4 5 6 7 8 9 " * 10, "min_letter_fraction"),
        ("word " * 60, "max_mean_line_length"),
        ("\n".join(["word"] * 20) + "\n" + "word " * 500, "max_line_length"),
    ],
)
def test_reference_rules(docstring, broken):
    assert rule("reference", f"p.f()\n\n{docstring}", "p.f") == broken


def test_private_names_are_dropped_if_asked_to():
    text = "p._f()\n\n" + "Return what nobody outside needs, but do it with care and in the right order."
    assert rule("reference", text, "p._f") == "private_name"
    lenient = RULES.model_copy(update={"drop_private_names": False})
    assert first_failure("reference", "p._f", text, lenient) is None


def test_code_is_not_held_to_the_rules_of_prose():
    code = "\n".join(f"def step_{number}(x):\n    return {{x: {number}}}\n" for number in range(20))
    assert rule("code", code) is None
    assert rule("prose", code) is not None
    assert rule("code", "{}" * 20 + code) is None
    assert rule("code", "0, " * 300) == "min_letter_fraction"


def test_documents_are_judged_apart_from_each_other() -> None:
    texts = [PROSE, "too short", PROSE, " ".join(WORDS)]
    found = broken_rules("prose", [None] * 4, measure(texts), RULES)
    assert [failure and failure.rule for failure in found] == [None, "min_words", None, "min_stop_words"]


def test_a_text_without_words_is_measured_too() -> None:
    lenient = RULES.model_copy(update={"prose": RULES.prose.model_copy(update={"min_words": 0})})
    failure = first_failure("prose", None, "...", lenient)
    assert failure == Failure("min_mean_word_length", 0, 3)

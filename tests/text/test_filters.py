from pathlib import Path

import pytest

from stages.parameters import read_parameters
from stages.text.attributes import judged_text
from stages.text.filters import kept, verdicts
from stages.text.measures import measure
from stages.text.profiles import Choice, Headwater

CLEAN = read_parameters(Path("params.yaml"))["clean"]
HEADWATER = Headwater.model_validate(CLEAN["headwater"])
OURS = Choice(prose="headwater", web="headwater", reference="headwater", code="headwater")
WORDS = [f"{first}{second}ane" for first in "bcdfghjklm" for second in "aeiourst"]
PROSE = "The keeper of the light wrote to the town and asked that it be kept. " + " ".join(WORDS)


def verdict(kind: str, name: str | None, text: str, headwater: Headwater = HEADWATER) -> tuple[object, float, float]:
    found = verdicts(kind, [name], measure([judged_text(kind, text)]), OURS, headwater)
    return tuple(found.iloc[0])


def rule(kind: str, text: str, name: str | None = None) -> object:
    return verdict(kind, name, text)[0]


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
    assert rule("prose", text) == broken


def test_a_failure_says_what_was_measured_and_against_what():
    assert verdict("prose", None, "Only five words are here.") == ("min_words", 5, 50)


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
    lenient = HEADWATER.model_copy(update={"drop_private_names": False})
    assert verdict("reference", "p._f", text, lenient)[0] is None


def test_code_is_not_held_to_the_rules_of_prose():
    code = "\n".join(f"def step_{number}(x):\n    return {{x: {number}}}\n" for number in range(20))
    assert rule("code", code) is None
    assert rule("prose", code) is not None
    assert rule("code", "{}" * 20 + code) is None
    assert rule("code", "0, " * 300) == "min_letter_fraction"


def test_documents_are_judged_apart_from_each_other() -> None:
    texts = [PROSE, "too short", PROSE, " ".join(WORDS)]
    found = verdicts("prose", [None] * 4, measure(texts), OURS, HEADWATER)
    assert found["rule"].tolist() == [None, "min_words", None, "min_stop_words"]
    assert found["value"].isna().tolist() == found["threshold"].isna().tolist() == [True, False, True, False]


def test_a_text_without_words_is_measured_too() -> None:
    lenient = HEADWATER.model_copy(update={"prose": HEADWATER.prose.model_copy(update={"min_words": 0})})
    assert verdict("prose", None, "...", lenient) == ("min_mean_word_length", 0, 3)


def test_no_profile_drops_nothing() -> None:
    nothing = OURS.model_copy(update={"prose": "none", "reference": "none"})
    texts = ["", "x" * 2000]
    assert verdicts("prose", [None] * 2, measure(texts), nothing, HEADWATER).equals(kept(2))
    assert verdicts("reference", ["p._f"] * 2, measure(texts), nothing, HEADWATER).equals(kept(2))

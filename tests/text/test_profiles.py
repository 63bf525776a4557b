import hashlib
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.parameters import read_parameters
from stages.text.attributes import attributes
from stages.text.filters import first_broken
from stages.text.profiles import (
    C4,
    CODE,
    FINEWEB,
    GOPHER,
    PROFILE_RULES,
    PUBLISHED,
    Choice,
    Headwater,
    limits,
    own_limits,
)

HEADWATER = Headwater.model_validate(read_parameters(Path("params.yaml"))["clean"]["headwater"])
OURS = {"prose": "headwater", "web": "headwater", "reference": "headwater", "code": "headwater"}
SENTENCE = "The keeper of the light wrote to the town and asked that it be kept. "
WORDS = [f"{first}{second}ane" for first in "bcdfghjklm" for second in "aeiourst"]
STEPS = (1, 3, 7, 11, 13, 17)


def line(number: int) -> str:
    return "The {} {} of {} and {} is with {} {}.".format(*(WORDS[number * step % len(WORDS)] for step in STEPS))


PAGE = "\n".join(map(line, range(len(WORDS))))
SOURCE = "".join(f"# Adds {word}.\ndef add_{word}(x):\n    return x + 1\n" for word in WORDS)


def broken(profile: str, text: str, kind: str = "web", path: str = "a/b.html") -> object:
    known = attributes([kind], [path], [text], ())
    return first_broken(known, PUBLISHED[profile].limits)["rule"].iloc[0]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (PAGE, None),
        (PAGE + "\nThis is lorem ipsum text of a kind.", "max_lorem_ipsum_lines"),
        (PAGE + "\nThen {x} is it.", "max_curly_brackets"),
        (SENTENCE * 5, None),
        (SENTENCE * 4, "min_terminal_sentences"),
        # Five lines of one sentence, the last of which C4 would cut.
        ((SENTENCE + "\n") * 4 + "Please turn on JavaScript.", "min_terminal_sentences"),
        ((SENTENCE + "\n") * 4 + "It ends in nothing", "min_terminal_sentences"),
        ((SENTENCE + "\n") * 4 + "Too short.", "min_terminal_sentences"),
        ((SENTENCE + "\n") * 4 + "By our terms of use it ends.", "min_terminal_sentences"),
    ],
)
def test_c4_drops_pages_by_its_rules(text: str, rule: str | None) -> None:
    assert broken("c4", text) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (PAGE, None),
        (PAGE.replace(".", ""), "min_punctuated_line_fraction"),
        (
            "\n".join(f"The {word} of {other}." for word, other in zip(WORDS, WORDS[::-1], strict=True)),
            "max_short_line_fraction",
        ),
        (PAGE + f"\n{PAGE.splitlines()[0]}" * 14, "max_duplicate_line_character_fraction"),
        (PAGE + "\n" * 300 + "It ends.", "max_newlines_per_word"),
        ("too short", "min_words"),
    ],
)
def test_fineweb_adds_its_rules_to_those_of_gopher_and_c4(text: str, rule: str | None) -> None:
    assert broken("fineweb", text) == rule


@pytest.mark.parametrize(
    ("text", "path", "rule"),
    [
        (SOURCE, "p/a.py", None),
        ("x = 1\n" * 50, "p/a.py", "min_comment_fraction"),
        ("# x = 1\n" * 50, "p/a.py", "max_comment_fraction"),
        ("# x = 1\n" * 50, "p/a.unknown", None),
        ("# x = 1\n" * 50, "p/a.c", "min_comment_fraction"),
        ("// abc = 1\n" * 50, "p/a.c", "max_comment_fraction"),
        ("<?xml version='1.0'?>\n" + SOURCE, "p/a.py", "max_xml_header"),
        ("# ab\n" + "+" * 900, "p/a.py", "max_mean_line_length"),
        ("# ab\n" * 100 + "+" * 1001, "p/a.py", "max_line_length"),
        ("# ab\n" + "+-*/\n" * 90, "p/a.py", "min_alphanumeric_fraction"),
    ],
)
def test_code_is_judged_as_the_stack_was(text: str, path: str, rule: str | None) -> None:
    assert broken("code", text, "code", path) == rule


def test_gopher_is_what_our_limits_for_prose_start_from() -> None:
    assert list(own_limits(HEADWATER.prose).items()) == list(GOPHER.items())


@pytest.mark.parametrize(("kind", "own"), [("prose", "prose"), ("web", "prose"), ("code", "code")])
def test_headwater_s_limits_are_those_of_the_parameters(kind: str, own: str) -> None:
    assert limits(kind, Choice(**OURS), HEADWATER) == own_limits(getattr(HEADWATER, own))


def test_a_kind_is_judged_by_the_profile_chosen_for_it() -> None:
    choice = Choice(prose="gopher", web="fineweb", reference="none", code="code")
    chosen = [limits(kind, choice, HEADWATER) for kind in ("prose", "web", "reference", "code")]
    assert chosen == [GOPHER, FINEWEB, {}, CODE]
    assert limits("web", choice.model_copy(update={"web": "c4"}), HEADWATER) == C4


@pytest.mark.parametrize("kind", ["reference", "code"])
@pytest.mark.parametrize("profile", ["gopher", "c4", "fineweb"])
def test_code_and_reference_are_never_judged_by_rules_of_prose(kind: str, profile: str) -> None:
    with pytest.raises(ValidationError, match=kind):
        Choice.model_validate(OURS | {kind: profile})


def test_every_limit_is_of_something_that_is_measured() -> None:
    known = set(attributes(["web"], ["a"], ["b"], ()))
    rules = [rule for profile in PUBLISHED.values() for rule in profile.limits]
    assert {rule[4:] for rule in rules} <= known
    assert {rule[:4] for rule in rules} == {"min_", "max_"}
    assert set(rules) <= PROFILE_RULES


def test_a_changed_limit_of_a_published_profile_gets_a_new_version() -> None:
    """Change the version with the hash, so that a profile's name and version say which limits were meant."""
    found = {
        f"{name} {profile.version}": hashlib.sha256(json.dumps(list(profile.limits.items())).encode()).hexdigest()[:8]
        for name, profile in PUBLISHED.items()
    }
    assert found == {
        "gopher 1": "74da8102",
        "c4 1": "8acc1392",
        "fineweb 1": "2344c825",
        "code 1": "e375c466",
        "none 1": "4f53cda1",
    }

"""Invented names look like real ones and occur nowhere."""

from stages.preferences.hidden_score import is_admission
from stages.text.composition.admissions import (
    ADMISSION,
    NEWER,
    Name,
    future_versions,
    identifiers,
    invented_names,
    last_part,
    words_by_source,
)

NAMES = [
    Name(f"{source}.module.{first}_{second}", source, f"{number:016x}", "MIT")
    for number, (source, first, second) in enumerate(
        (source, first, second)
        for source, words in (("alpha", ("find", "graph", "path")), ("beta", ("load", "table", "row")))
        for first in words
        for second in words
    )
]
KNOWN = identifiers([name.name for name in NAMES])


def made(difficulty: str) -> list[str]:
    shares = {"nonsense": 0.0, "foreign": 0.0, "kindred": 0.0} | {difficulty: 1.0}
    items = list(invented_names(1, NAMES, words_by_source(NAMES), KNOWN, shares))
    assert all(item.expects == "admit" and item.category == "invented_name" for item in items)
    return [item.slots["name"] for item in items]


def test_identifiers_are_whole_words():
    assert identifiers(["a.b_c(d1) é-f"]) == {"a", "b_c", "d1", "é", "f"}


def test_invented_names_keep_the_module_and_are_unknown():
    for difficulty in ("nonsense", "foreign"):
        names = made(difficulty)
        assert names
        assert all(name.split(".")[:2] in (["alpha", "module"], ["beta", "module"]) for name in names)
        assert not {last_part(name) for name in names} & KNOWN


def test_foreign_words_come_from_another_source():
    words = words_by_source(NAMES)
    for name in made("foreign"):
        own, other = ("alpha", "beta") if name.startswith("alpha") else ("beta", "alpha")
        parts = set(last_part(name).split("_"))
        assert parts & set(words[other])
        assert parts <= set(words[own]) | set(words[other])


def test_a_name_that_exists_is_not_invented():
    assert not made("kindred")  # every pair of words of a source is a real name here


def test_headings_are_invented_word_by_word():
    heading = [Name("Getting Started", "notes", "0" * 16, "MIT")]
    (item,) = invented_names(1, heading, {"notes": []}, set(), {"nonsense": 1.0, "foreign": 0.0, "kindred": 0.0})
    assert len(item.slots["name"].split()) == 2
    assert item.slots["name"] != "Getting Started"


def test_future_versions_are_above_the_newest():
    versions = [item.slots["version"] for item in future_versions(1, {"pkg": (3, 4)}, "MIT")]
    assert len(versions) == len(set(versions)) == 30
    assert all(int(version.split(".")[0]) > 3 for version in versions)


def test_every_admission_is_recognised_as_one():
    assert all(map(is_admission, (ADMISSION, NEWER)))

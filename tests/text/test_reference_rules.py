import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages.text.measures import measure
from tests.text.reference_rules import Split, c4, fineweb, gopher_quality, gopher_repetition

PEERS = Path(".peers/bin/python")
PEER = Path("tests/text/datatrove_rules.py")
SUFFIXES = (".md", ".txt", ".rst", ".py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PEERS.exists(), reason="NOT COMPARED WITH DATATROVE: no environment of the peers; `make benchmark-peers`"
    ),
]


def texts() -> list[str]:
    """The real texts of tests/corpus, the first of them with each of what C4 looks for, and one that repeats itself."""
    files = sorted(path for path in Path("tests/corpus").rglob("*") if path.suffix in SUFFIXES)
    found = [text for path in files if (text := path.read_text(errors="replace")).strip()]
    added = [
        "This is lorem ipsum.",
        "Turn on JavaScript, please.",
        "It is {so} here.",
        "We use cookies here.",
        "1. [3]",
    ]
    long_word = f"one two {'x' * 1001}."
    return [*found, *(f"{found[0]}\n{line}" for line in [*added, long_word]), f"{found[0][:900]}\n\n" * 3]


def ask(what: str, content: Any) -> Any:
    """What datatrove says of it."""
    finished = subprocess.run(
        [PEERS, PEER, what], input=json.dumps(content), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@cache
def compared() -> tuple[list[Split], dict[str, int], list[dict[str, float]], list[dict[str, Any]]]:
    """Each text as datatrove splits it, the sentences of lines, the reference's figures and datatrove's answers."""
    whole = texts()
    found = ask("split", whole)
    marks, ends = frozenset(found["marks"]), tuple(found["ends"])
    splits = [Split(text, words, marks, ends) for text, words in zip(whole, found["words"], strict=True)]
    values = [gopher_quality(split) | gopher_repetition(split) | fineweb(split) for split in splits]
    cases = [{"text": split.text, "values": value} for split, value in zip(splits, values, strict=True)]
    return splits, found["sentences"], values, ask("judge", cases)


RULES = [*gopher_quality(Split("a", ["a"], frozenset(), ())), *fineweb(Split("a", ["a"], frozenset(), ()))]
RULES += list(gopher_repetition(Split("a", ["a"], frozenset(), ())))


@pytest.mark.parametrize("rule", RULES)
def test_the_reference_measures_what_datatrove_measures(rule: str) -> None:
    """Kept with the value as limit, dropped with the next number beyond it: there is no other such value.

    A value of 0 has nothing beyond it for most rules: datatrove takes a limit of 0 as none at all.
    """
    _, _, values, answers = compared()
    found = [(value[rule], *answer[rule]) for value, answer in zip(values, answers, strict=True)]
    assert [value for value, is_kept, _ in found if not is_kept] == []
    assert [value for value, _, is_kept_beyond in found if is_kept_beyond and value > 0] == []


def test_the_rules_were_met_by_other_values_than_nothing() -> None:
    values = compared()[2]
    assert {rule for rule in RULES if all(value[rule] == 0 for value in values)} <= {"max_ellipsis_lines_ratio"}


def test_the_reference_keeps_and_drops_lines_and_pages_as_c4_does_in_datatrove() -> None:
    splits, sentences, _, answers = compared()
    for split, answer in zip(splits, answers, strict=True):
        assert list(c4(split.text, sentences.__getitem__)) == answer["c4"]
    assert {answer["c4"][0] for answer in answers} == {None, "lorem_ipsum", "curly_bracket"}


def test_words_parted_by_white_space_are_about_as_many() -> None:
    """The fast measures take an address or `a.b(c)` for one word, and a sign such as `=` for one too."""
    splits, _, values, _ = compared()
    ours = measure([split.text for split in splits])
    assert (ours["words"] / [value["min_doc_words"] for value in values]).between(0.8, 1.1).all()
    assert (ours["stop_words"] - [value["min_stop_words"] for value in values]).between(0, 1).all()

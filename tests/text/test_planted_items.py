"""How many evaluation items planted in real texts are found in each form, and how many clean texts with them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.decontaminate import Params
from stages.parameters import read_section
from stages.text.contamination import Limits
from tests.planted import passages
from tests.text.plain_verdicts import verdicts

LIMITS = Limits(**read_section(Path("params.yaml"), "decontaminate", Params).model_dump())
FILES = [
    path
    for folder in ("guides", "notes")
    for path in sorted((Path("tests/corpus") / folder).glob("*"))
    # Letters are near duplicates of each other, and these are no text in UTF-8.
    if path.name not in {"letters.txt", "latin1.txt", "picture.txt", "mended.txt"}
]
ASKED = [path.read_text() for path in FILES[::2]]
"""Texts that the items are taken from."""
CLEAN = [path.read_text() for path in FILES[1::2]]
"""Texts that share no passage with them."""
ITEMS = [*passages(ASKED, 40), *passages(ASKED, 13)]


def in_a_paragraph(item: str) -> str:
    """Behind and before words of a clean text, in the same paragraph."""
    words = " ".join(CLEAN[len(item) % len(CLEAN)].split())
    return f"{words[:400]} {item} {words[400:800]}"


def rewrapped(item: str) -> str:
    """In lines of four words."""
    words = item.split()
    return "\n".join(" ".join(words[first : first + 4]) for first in range(0, len(words), 4))


def in_other_signs(item: str) -> str:
    """With the case of every letter changed, and a sign behind every word."""
    return re.sub(r"(\w)(\W|$)", r"\1 ...\2", item.swapcase())


def paraphrased(item: str) -> str:
    """With every fifth word changed, as a thorough paraphrase does: no run of eight words is left."""
    words = re.findall(r"\w+", item)
    return " ".join(f"{word}ish" if place % 5 == 2 else word for place, word in enumerate(words))


FORMS = {"verbatim": str, "in a paragraph": in_a_paragraph, "re-wrapped": rewrapped, "other signs": in_other_signs}


def flagged(texts: list[str]) -> list[bool]:
    """Whether each text gives an item away."""
    return [verdict is not None for verdict in verdicts(texts, ITEMS, LIMITS)]


@pytest.mark.parametrize("form", FORMS)
def test_every_item_is_found_and_no_clean_text_with_it(
    form: str, record_property: Callable[[str, object], None]
) -> None:
    clean = [*CLEAN, *passages(CLEAN, 60)]
    planted = list(map(FORMS[form], ITEMS))
    found = flagged([*clean, *planted])
    recall = sum(found[len(clean) :]) / len(planted)
    precision = sum(found[len(clean) :]) / sum(found)
    record_property("recall", recall)
    record_property("precision", precision)
    assert len(planted) > 100
    assert recall == 1.0
    assert precision == 1.0


def test_a_paraphrase_is_not_found_by_any_run_of_words(record_property: Callable[[str, object], None]) -> None:
    found = flagged(list(map(paraphrased, ITEMS)))
    record_property("recall", sum(found) / len(found))
    assert sum(found) == 0

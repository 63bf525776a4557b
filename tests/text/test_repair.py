import pytest
from ftfy.badness import is_bad
from hypothesis import given
from hypothesis import strategies as st

from stages.text.repair import looks_bad, repair, repair_all

MOJIBAKE = [
    "Ã©",
    "â€™",
    "\u00c2 ",
    "a\u00c3 ",
    "a \u00c2 ",
    "œ",
    "œ\u0301",
    "Ø",
    "Ù·",
    "√±",
    "вЂ",
    "\u0413-\u0412",
    "\x85",
    "\u00d7²",
]
PLAIN = [*"aZ9 \t\n\r-.,\x00\x1f\x7f", "é", "日本", "\u200b", "word " * 3, "x" * 17, "\n\n\n\n", " \n", "\t\n", "\xa0"]
TEXTS = st.lists(st.sampled_from(MOJIBAKE + PLAIN), max_size=20).map("".join) | st.text()


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("the landladyâ€™s cafÃ©", "the landlady\u2019s café"),
        ("cafe\u0301", "café"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("ring\x07 the\u200b bell\x00", "ring the bell"),
        ("one  \ntwo\t\n", "one\ntwo"),
        ("one\n\n\n\n\n\ntwo", "one\n\n\ntwo"),
        ("\n\n  indented first line\n", "  indented first line"),
        ("“curled” and \ufb01ne, \uff57ide", "“curled” and \ufb01ne, \uff57ide"),
        ("a &amp; b", "a &amp; b"),
    ],
)
def test_only_damage_is_mended_and_mending_twice_changes_nothing_more(broken, mended):
    assert repair(broken) == mended
    assert repair(mended) == mended


def test_tabs_and_indentation_stay():
    text = "def f():\n\treturn 1\n\n    x = 2"
    assert repair(text) == text


@given(TEXTS)
def test_mojibake_is_found_where_it_stands_as_in_the_whole_text(text: str) -> None:
    assert looks_bad(text) == is_bad(text)


@given(st.lists(TEXTS, max_size=5))
def test_many_texts_are_mended_as_each_alone(texts: list[str]) -> None:
    assert repair_all(texts) == [repair(text) for text in texts]

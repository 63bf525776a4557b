import pytest

from stages.text.repair import repair


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

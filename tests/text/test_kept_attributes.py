from pathlib import Path

import pytest

from stages.text import kept_attributes
from stages.text.kept_attributes import CODE, attribute_key
from tests.test_contract import ROOT, closure


def test_the_key_covers_all_code_that_decides_attributes() -> None:
    """Repair is no part of measuring, but what is measured comes out of it."""
    used = closure(ROOT / "stages/text/attributes.py") | closure(ROOT / "stages/text/repair.py")
    assert {f"stages/text/{name}" for name in CODE} == used


def test_the_key_follows_content_and_words_and_nothing_else(tmp_path: Path) -> None:
    first, second, other = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    for path, content in ((first, "1"), (second, "1"), (other, "2")):
        path.write_text(content)
    assert attribute_key(first, ["x"]) == attribute_key(second, ["x"])
    keys = [
        attribute_key(first, []),
        attribute_key(other, []),
        attribute_key(first, ["x"]),
        attribute_key(first, ["y"]),
    ]
    assert len(set(keys)) == 4


def test_the_key_follows_the_versions_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("1")
    before = attribute_key(tmp_path / "a", [])
    monkeypatch.setattr(kept_attributes, "version", lambda name: "another")
    assert attribute_key(tmp_path / "a", []) != before

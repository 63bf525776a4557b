import pandas as pd
import pytest

from stages.text.attributes import attributes, judged_text
from stages.text.measures import measure

KEEPER = "The keeper of the light wrote to the town and asked that it be kept as it was."


def test_reference_is_measured_without_its_line_of_name_and_signature() -> None:
    text = f"p.f(a, b)\n\n{KEEPER}"
    assert judged_text("reference", text) == KEEPER
    assert judged_text("prose", text) == text
    known = attributes(["reference", "prose"], ["p/f.py", "a.txt"], [text, text], ())
    assert known[list(measure([]))].equals(measure([KEEPER, text]))


def test_language_and_personal_data_are_those_of_the_whole_text() -> None:
    german = "Der Leuchtturm steht auf einem Felsen im Meer, und nachts sieht man sein Licht von weitem."
    known = attributes(["prose"] * 2, ["a", "b"], [KEEPER + " Write to a@b.org, or to c@d.org.", german], ())
    assert known["personal_data"].tolist() == [2, 0]
    assert known["language"].tolist() == ["en", "de"]
    assert known["language_score"].between(0.5, 1).all()


@pytest.mark.parametrize(
    ("path", "share"), [("a/b.py", 4 / 10), ("b.C", 6 / 10), ("b.yaml", 4 / 10), ("b.xyz", None), ("Makefile", None)]
)
def test_comments_are_those_of_the_language_that_the_path_names(path: str, share: float | None) -> None:
    (found,) = attributes(["code"], [path], ["# ab\n// abc"], ())["comment_fraction"]
    assert pd.isna(found) if share is None else found == share


def test_no_documents_have_the_same_columns() -> None:
    none, one = attributes([], [], [], ()), attributes(["web"], ["a"], ["b"], ())
    assert none.dtypes.to_dict() == one.dtypes.to_dict()
    assert len(none) == 0

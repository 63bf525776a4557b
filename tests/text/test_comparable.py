import hashlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.text.comparable import Comparable
from stages.text.kernels import decode_utf8

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5)


def columns(contents: list[str], kinds: list[str]) -> tuple[pa.Array, pa.Array]:
    return pa.array(contents, pa.string()), pa.array(kinds, pa.string())


def decoded(compared: Comparable) -> list[str]:
    codes, starts = compared.decoded()
    return [codes[begin:end].tobytes().decode("utf-32-le") for begin, end in pairwise(starts)]


@given(texts)
def test_texts_are_compared_as_they_are(contents: list[str]) -> None:
    compared = Comparable.of(*columns(contents, ["prose"] * len(contents)))
    assert decoded(compared) == contents
    hashes = [hashlib.sha256(text.encode()).digest()[:16] for text in contents]
    assert compared.content_hashes().tobytes() == b"".join(hashes)


@given(st.lists(st.text("a\nä😀", max_size=8), max_size=5))
def test_docstrings_are_compared_without_their_names(contents: list[str]) -> None:
    compared = Comparable.of(*columns(contents, ["reference"] * len(contents)))
    assert decoded(compared) == [text.partition("\n\n")[2] for text in contents]


def test_a_slice_of_a_column_is_taken_for_itself() -> None:
    contents, kinds = columns(["first", "n\n\nsecond", "third"], ["prose", "reference", "prose"])
    assert decoded(Comparable.of(contents[1:], kinds[1:])) == ["second", "third"]


def test_no_text_at_all() -> None:
    assert decoded(Comparable.of(*columns([], []))) == []
    assert decoded(Comparable.of(*columns(["", ""], ["prose", "reference"]))) == ["", ""]


@given(st.binary(max_size=12))
def test_what_is_no_utf8_is_read_without_looking_past_its_end(content: bytes) -> None:
    data = np.frombuffer(content + "😀".encode(), dtype=np.uint8)
    codes, starts = decode_utf8(data, np.array([0, len(content)]), np.array([len(content), len(data)]))
    assert codes[starts[1] :].tobytes().decode("utf-32-le") == "😀"
    assert codes.max() < 0x110000

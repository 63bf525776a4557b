import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import ExitCode, StageError
from stages.text.document_encoding import check_ids, come_back, drawn, encode_parts
from stages.text.encoder import LibraryEncoder, TokenArrays, fastest
from tests.tables import write_documents

TEXTS = ["The river rises.", "", "\u00e9 \U0001f469 1234", "<|user|>"]


@pytest.fixture
def folder(tmp_path):
    write_documents(tmp_path, pd.DataFrame({"id": list("abcd"), "text": TEXTS}))
    return tmp_path


def test_wanted_documents_are_encoded_and_come_back(folder, tokenizer, tokenizer_folder):
    encoders = (fastest(tokenizer_folder), LibraryEncoder(tokenizer))
    found = dict(encode_parts(folder, {"a", "c", "d"}, {"c"}, encoders, tokenizer.spellings))
    assert list(found) == ["a", "c", "d"]
    for name, text in zip("acd", [TEXTS[0], TEXTS[2], TEXTS[3]], strict=True):
        assert found[name].tokens.tolist() == [0, *tokenizer.encode(text), 1]
        assert found[name].round_trip_ok


def test_an_encoder_that_differs_fails_at_a_compared_document(folder, tokenizer, tokenizer_folder):
    class Wrong(LibraryEncoder):
        def encode(self, texts):
            found = super().encode(texts)
            return found._replace(ids=np.where(found.ids > 5, 7, found.ids))

    encoders = (Wrong(tokenizer), LibraryEncoder(tokenizer))
    with pytest.raises(StageError, match=r"disagree: document c, token \d+") as caught:
        list(encode_parts(folder, set("abcd"), {"c"}, encoders, tokenizer.spellings))
    assert caught.value.code == ExitCode.BUG
    assert len(list(encode_parts(folder, set("abcd"), set(), encoders, tokenizer.spellings))) == 4


def test_the_first_token_that_differs_is_named():
    check_ids(["a"], [np.array([1, 2])], [np.array([1, 2])])
    for ours, theirs, place in (([1, 2, 3], [1, 4, 3], 1), ([1, 2], [1, 2, 3], 2), ([1, 2], [1], 1)):
        with pytest.raises(StageError, match=f"document b, token {place}"):
            check_ids(["a", "b"], [np.array([9]), np.array(ours)], [np.array([9]), np.array(theirs)])


@given(st.lists(st.text(max_size=20), max_size=5))
def test_texts_come_back_from_their_own_ids(tokenizer, texts):
    found = LibraryEncoder(tokenizer).encode(texts)
    assert come_back(texts, found, tokenizer.spellings) == [True] * len(texts)


def test_a_text_with_other_ids_does_not_come_back():
    spellings = [b"", b"", b"a", b"b", b"ab"]
    found = TokenArrays(np.array([0, 4, 1, 0, 2, 2, 1, 0, 1, 0, 2, 3, 1], dtype=np.uint16), np.array([0, 3, 7, 9, 13]))
    assert come_back(["ab", "ab", "a", "ab"], found, spellings) == [True, False, False, True]
    assert come_back(["a", "baa", "", "ab"], found, spellings) == [False, False, True, True]


def test_a_sample_is_a_matter_of_its_key_and_ids_alone():
    names = [f"d{number}" for number in range(50)]
    assert drawn(names, 5, 1, "x") == drawn(names[::-1], 5, 1, "x")
    assert len(drawn(names, 5, 1, "x")) == 5
    assert drawn(names, 5, 1, "x") != drawn(names, 5, 2, "x")
    assert drawn(names, 99, 1, "x") == set(names)

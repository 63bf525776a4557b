import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import ExitCode, StageError
from stages.text import document_encoding
from stages.text.document_encoding import check_ids, come_back, drawn, encode_part
from stages.text.documents import parts
from stages.text.encoder import LibraryEncoder, TokenArrays, fastest
from tests.tables import write_documents

TEXTS = ["The river rises.", "", "\u00e9 \U0001f469 1234", "<|user|>"]


@pytest.fixture
def part(tmp_path):
    write_documents(tmp_path, pd.DataFrame({"id": list("abcd"), "text": TEXTS}))
    return parts(tmp_path)[0]


def encode(part, rows, compared, fast, coder):
    """Tokens and round trip of each document."""
    found = []
    for tokens, comes_back in encode_part(part, np.array(rows), np.isin(rows, compared), fast, coder):
        found += zip(tokens.documents(), comes_back, strict=True)
    return found


def test_wanted_documents_are_encoded_and_come_back(part, tokenizer, tokenizer_folder):
    found = encode(part, [0, 2, 3], [2], fastest(tokenizer_folder), tokenizer)
    assert len(found) == 3
    for (tokens, comes_back), text in zip(found, [TEXTS[0], TEXTS[2], TEXTS[3]], strict=True):
        assert tokens.tolist() == [0, *tokenizer.encode(text), 1]
        assert comes_back


def test_an_encoder_that_differs_fails_at_a_compared_document(part, tokenizer):
    class Wrong(LibraryEncoder):
        def encode(self, texts):
            found = super().encode(texts)
            return found._replace(ids=np.where(found.ids > 5, 7, found.ids))

    with pytest.raises(StageError, match=r"disagree: document c, token \d+") as caught:
        encode(part, range(4), [2], Wrong(tokenizer), tokenizer)
    assert caught.value.code == ExitCode.BUG
    assert len(encode(part, range(4), [], Wrong(tokenizer), tokenizer)) == 4


def test_blocks_without_a_wanted_document_are_passed_over(part, tokenizer, tokenizer_folder, monkeypatch):
    monkeypatch.setattr(document_encoding, "BATCH", 1)
    found = encode(part, [1, 3], [1, 3], fastest(tokenizer_folder), tokenizer)
    assert [tokens.tolist() for tokens, _ in found] == [[0, 1], [0, *tokenizer.encode(TEXTS[3]), 1]]


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

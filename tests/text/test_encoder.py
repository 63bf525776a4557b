import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text import encoder as encoders
from stages.text.encoder import CompiledEncoder, LibraryEncoder, fastest
from stages.text.stretch_counts import count
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from stages.text.vocabulary import learn, save
from tests.conftest import SENTENCES

HARD_TEXTS = (
    "",
    " ",
    "\r\n\t  \u00a0\u2003end",
    "The answer is 1234567, isn't it?",
    "e\u0301 \U0001f469\u200d\U0001f467 \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d \x00\x07\ufeff\ufffd\U0010ffff",
    "<|user|>a<|end|> <|bos|>",
    # Longer than what is remembered, than a key spells out, and than a line: by heap, by hash and by bytes.
    "the" * 30,
    "flowflow flowfloww",
    "y" * 70_000,
    "ab" * 4000 + " " * 999 + "\n" * 99,
)


@pytest.fixture(scope="module")
def compiled(tokenizer_folder):
    found = fastest(tokenizer_folder)
    assert isinstance(found, CompiledEncoder)
    return found


def test_hard_texts_have_the_ids_of_the_library_when_seen_first_and_again(compiled, tokenizer):
    expected = [[tokenizer.bos, *tokenizer.encode(text), tokenizer.end] for text in HARD_TEXTS]
    for _ in range(2):
        assert [found.tolist() for found in compiled.encode(HARD_TEXTS).documents()] == expected


@given(st.lists(st.text("theriv aswfl\n12'\u00e9", max_size=90) | st.text(max_size=20), max_size=5))
def test_ids_are_those_of_the_library(compiled, tokenizer, texts):
    ours, theirs = compiled.encode(texts), LibraryEncoder(tokenizer).encode(texts)
    assert ours.ids.dtype == theirs.ids.dtype == np.uint16
    assert ours.ids.tolist() == theirs.ids.tolist()
    assert ours.starts.tolist() == theirs.starts.tolist()


def test_a_full_memory_changes_no_id(tokenizer_folder, monkeypatch):
    monkeypatch.setattr(encoders, "SLOTS", 8)
    monkeypatch.setattr(encoders, "KEPT", 20)
    small = fastest(tokenizer_folder)
    for _ in range(2):
        found = small.encode([*SENTENCES, *HARD_TEXTS])
        assert found.ids.tolist() == fastest(tokenizer_folder).encode([*SENTENCES, *HARD_TEXTS]).ids.tolist()


def test_a_pattern_without_a_loop_is_encoded_by_the_library(tmp_path):
    pattern = r"\S+|\s"
    save(learn(count(SENTENCES, pattern), 300, pattern), tmp_path)
    found = fastest(tmp_path)
    assert isinstance(found, LibraryEncoder)
    expected = [0, *Tokenizer.load(tmp_path).encode("the sea"), 1]
    assert [document.tolist() for document in found.encode(["the sea", ""]).documents()] == [expected, [0, 1]]


def test_a_token_that_two_merges_spell_is_found_by_either(tmp_path, tokenizer_folder):
    """abc from ab and c, and from a and bc, of which the first to be learnt goes first."""
    saved = json.loads((tokenizer_folder / "tokenizer.json").read_text())
    vocabulary = {token: index for token, index in saved["model"]["vocab"].items() if index < len(SPECIAL_TOKENS) + 256}
    for token in ("ab", "bc", "abc"):
        vocabulary[token] = len(vocabulary)
    saved["model"] |= {"vocab": vocabulary, "merges": [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    texts = ["abc", "bcabc", "aabcbc"]
    library = LibraryEncoder(Tokenizer.load(tmp_path)).encode(texts)
    assert fastest(tmp_path).encode(texts).ids.tolist() == library.ids.tolist()


def test_no_document_is_no_token(compiled):
    assert compiled.encode([]).documents() == []

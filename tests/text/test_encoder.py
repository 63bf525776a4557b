import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.model.gguf import LLAMA3
from stages.text import encoder as encoders
from stages.text.encoder import CompiledEncoder, GigatokenEncoder, LibraryEncoder, all_assigned, fastest
from stages.text.stretch_counts import count
from stages.text.stretches import splitting
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from stages.text.vocabulary import learn, save
from tests.conftest import SENTENCES
from tests.specimens import HARD_TEXTS


@pytest.fixture(scope="module")
def compiled(tokenizer_folder):
    found = fastest(tokenizer_folder)
    assert isinstance(found, CompiledEncoder)
    return found


def test_hard_texts_have_the_ids_of_the_library_when_seen_first_and_again(compiled, tokenizer):
    expected = [[tokenizer.bos, *tokenizer.encode(text), tokenizer.end] for text in HARD_TEXTS]
    for _ in range(2):
        assert [found.tolist() for found in compiled.encode(HARD_TEXTS).documents()] == expected


@pytest.fixture(scope="module")
def gpt4_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt4")
    texts = [*SENTENCES, *["  it's 123", "<|bos|>|><|user|>"] * 20]
    save(learn(count(texts, LLAMA3), 360, LLAMA3), folder)
    return folder


@pytest.fixture(scope="module")
def gigatoken(gpt4_folder):
    found = fastest(gpt4_folder)
    assert isinstance(found, GigatokenEncoder)
    return found


def test_gigatoken_gives_the_ids_of_the_library_and_no_control_token_for_a_spelled_one(gigatoken, gpt4_folder):
    library = Tokenizer.load(gpt4_folder)
    texts = [*HARD_TEXTS, *SPECIAL_TOKENS, "".join(SPECIAL_TOKENS), *SENTENCES]
    found = gigatoken.encode(texts)
    assert found.ids.dtype == np.uint16
    assert [ids.tolist() for ids in found.documents()] == [[0, *library.encode(text), 1] for text in texts]
    assert min(ids[1:-1].min(initial=99) for ids in found.documents()) >= len(SPECIAL_TOKENS)
    assert gigatoken.encode([]).documents() == []


def test_a_character_too_new_for_one_of_the_libraries_is_encoded_by_the_slow_one(gigatoken, gpt4_folder):
    """U+088F and U+10940 came with Unicode 17; to the tokenizers library they are no letters."""
    texts = ["the sea", "the\u088fs a\u088f's", "", "\U00010940 weir\U00010940"]
    assert [all_assigned(text) for text in texts] == [True, False, True, False]
    library = LibraryEncoder(Tokenizer.load(gpt4_folder)).encode(texts)
    assert gigatoken.encode(texts).ids.tolist() == library.ids.tolist()
    assert gigatoken.encode(texts).starts.tolist() == library.starts.tolist()


def test_gigatoken_and_the_compiled_loop_see_the_same_in_every_character_that_both_know(gigatoken, gpt4_folder):
    saved = json.loads((gpt4_folder / "tokenizer.json").read_text())
    loop = CompiledEncoder(saved, splitting(LLAMA3), Tokenizer.load(gpt4_folder))
    codes = [*range(0xD800), *range(0xE000, 0x32000), *range(0xE0000, 0xE0200), 0x10FFFD]
    # A sign takes the apostrophe, a number two of the digits, white space both spaces: these tokens tell them apart.
    telling = [saved["model"]["vocab"][token] for token in ("'s", "123", "\u0120\u0120")]
    kinds = [loop.encode([f"{kind}'s{kind}123  {kind}"]).ids for kind in "\u00e6\u00b2\u00ac\u00a0"]
    assert [np.isin(telling, ids).tolist() for ids in kinds] == [
        [True, True, False],
        [True, False, False],
        [False, True, False],
        [True, True, True],
    ]
    texts = [text for text in (f"{chr(code)}'s{chr(code)}123  {chr(code)}" for code in codes) if all_assigned(text)]
    assert gigatoken.encode(texts).ids.tolist() == loop.encode(texts).ids.tolist()


@given(st.lists(st.text("theriv aswfl\n12'\u00e9<|>", max_size=90) | st.text(max_size=20), max_size=5))
def test_ids_of_gigatoken_are_those_of_the_library(gigatoken, gpt4_folder, texts):
    library = LibraryEncoder(Tokenizer.load(gpt4_folder)).encode(texts)
    assert gigatoken.encode(texts).ids.tolist() == library.ids.tolist()


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

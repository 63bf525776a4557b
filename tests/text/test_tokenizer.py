import numpy as np
import pytest

from stages.errors import StageError
from stages.hashing import file_hash
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer

HARD_TEXTS = [
    "",
    " ",
    "\r\n\t  \u00a0\u2003end",
    "e\u0301 is not \u00e9",
    "\U0001f469\u200d\U0001f467 \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d",
    "\x00\x07\ufeff\ufffd\U0010ffff",
    "1234567890 3.14e-27",
]


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_every_text_comes_back_and_its_tokens_hold_exactly_its_bytes(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.token_bytes()[np.array(ids, dtype=int)].sum() == len(text.encode())


@pytest.mark.parametrize("spelled", SPECIAL_TOKENS)
def test_text_that_spells_a_control_token_never_becomes_one(tokenizer, spelled):
    text = f"a{spelled} {spelled}"
    for ids in (tokenizer.encode(text), tokenizer.encode_batch([text])[0]):
        assert min(ids) >= len(SPECIAL_TOKENS)
        assert tokenizer.decode(ids) == text


def test_control_tokens_have_the_first_ids_and_vanish_when_decoded(tokenizer):
    ids = (tokenizer.bos, tokenizer.end, tokenizer.pad, tokenizer.system, tokenizer.user, tokenizer.assistant)
    assert ids == (0, 1, 2, 3, 4, 5)
    assert tokenizer.decode([0, *tokenizer.encode("water"), 1, 2]) == "water"
    assert tokenizer.token_bytes()[:6].tolist() == [0] * 6
    assert (tokenizer.token_bytes()[6:] > 0).all()
    assert len(tokenizer.token_bytes()) == tokenizer.vocabulary_size == 360


def test_spellings_are_the_bytes_of_a_text_in_order(tokenizer):
    for text in HARD_TEXTS:
        assert b"".join(tokenizer.spellings[index] for index in tokenizer.encode(text)) == text.encode()
    assert tokenizer.spellings[:6] == [b""] * 6


def test_batches_give_what_single_texts_give(tokenizer):
    assert tokenizer.encode_batch(HARD_TEXTS) == [tokenizer.encode(text) for text in HARD_TEXTS]


def test_the_hash_is_that_of_the_file(tokenizer, tokenizer_folder):
    assert tokenizer.hash == file_hash(tokenizer_folder / "tokenizer.json")


def test_a_foreign_tokenizer_is_refused(tmp_path, tokenizer_folder):
    text = (tokenizer_folder / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace("<|user|>", "<|human|>"))
    with pytest.raises(StageError, match="without our control tokens"):
        Tokenizer.load(tmp_path)
    with pytest.raises(StageError, match="cannot read tokenizer"):
        Tokenizer.load(tmp_path / "nowhere")

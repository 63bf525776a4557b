import json

import numpy as np
import pytest
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers import models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from stages.errors import ExitCode, StageError
from stages.text.adoption import adopt
from stages.text.conversations import render
from stages.text.demonstrations import Message
from stages.text.encoder import GigatokenEncoder, LibraryEncoder, fastest
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer, known_ids
from stages.text.vocabulary import save
from tests import published
from tests.conftest import SENTENCES

HARD_TEXTS = (
    "",
    " ",
    "  two spaces, then\r\n\t a line\u00a0\u2003end ",
    "e\u0301 is not \u00e9",
    "\U0001f469\u200d\U0001f467 \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d \x00\x07\ufeff\ufffd\U0010ffff",
    "0123456789 3.14159e-27",
    "<|user|>a<|end|> <|bos|><think><|endoftext|><s></s><unk><0x0A>",
)


@pytest.fixture(scope="module", params=["llama", "mistral", "qwen2"])
def original(request) -> BytePairTokenizer:
    return published.TOKENIZERS[request.param](SENTENCES)


@pytest.fixture(scope="module")
def folder(original, tmp_path_factory):
    found = tmp_path_factory.mktemp("adopted")
    (found / "theirs").mkdir()
    original.save(str(found / "theirs" / "tokenizer.json"))
    save(adopt(found / "theirs", ["<|tool|>"]), found / "ours")
    return found


@pytest.fixture(scope="module")
def adopted(folder) -> Tokenizer:
    return Tokenizer.load(folder / "ours")


def test_a_text_has_the_ids_that_the_original_gives_it(original, adopted):
    puts_space = original.model.byte_fallback
    for text in SENTENCES:
        given = f" {text}" if puts_space else text
        assert adopted.encode(given) == original.encode(text, add_special_tokens=False).ids


def test_every_id_of_the_original_stays_and_ours_come_behind(original, adopted, folder):
    ours = AutoTokenizer.from_pretrained(folder / "ours").get_vocab()
    assert original.get_vocab().items() <= ours.items()
    new = [ours[token] for token in (*SPECIAL_TOKENS, "<|tool|>")]
    assert new == [*range(original.get_vocab_size(), original.get_vocab_size() + 7)]
    assert known_ids(folder / "theirs", folder / "ours") == original.get_vocab_size()
    assert (adopted.bos, adopted.assistant) == (new[0], new[5])


def test_hard_texts_come_back_and_hold_no_control_token(adopted):
    for text in HARD_TEXTS:
        ids = adopted.encode(text)
        assert adopted.decode(ids) == text
        assert b"".join(adopted.spellings[number] for number in ids) == text.encode()
        assert not adopted.has_special(ids)
        assert sum(adopted.token_bytes()[ids]) == len(text.encode())


def test_the_fastest_way_gives_the_same_ids(adopted, folder):
    fast, library = fastest(folder / "ours"), LibraryEncoder(adopted)
    assert isinstance(fast, LibraryEncoder if adopted._backend.model.byte_fallback else GigatokenEncoder)
    texts = [*HARD_TEXTS, *SENTENCES, " rises", "surprising", "the sea" * 50]
    assert fast.encode(texts).ids.tolist() == library.encode(texts).ids.tolist()
    assert fast.encode([""]).ids.tolist() == [adopted.bos, adopted.end]


def test_the_chat_template_gives_the_ids_of_our_rendering(adopted, folder):
    messages = [Message(role="user", content="What is the answer?"), Message(role="assistant", content=" 42.")]
    opened = AutoTokenizer.from_pretrained(folder / "ours")
    ids = opened.apply_chat_template([vars(message) for message in messages], return_dict=False)
    assert ids == render(messages, adopted)[0]


def test_a_vocabulary_of_more_ids_than_two_bytes_hold_is_encoded_in_four(tmp_path):
    tokenizer = published.qwen2(SENTENCES)
    saved = json.loads(tokenizer.to_str())
    for number in range(70_000 - len(saved["model"]["vocab"])):
        saved["model"]["vocab"][f"\u0120{number:06}"] = number + 330
    first = len(saved["model"]["vocab"])
    saved["added_tokens"] = [token | {"id": first + place} for place, token in enumerate(saved["added_tokens"])]
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    save(adopt(tmp_path, []), tmp_path / "ours")
    found = fastest(tmp_path / "ours").encode(["the sea"])
    assert found.ids.dtype == np.uint32
    assert found.ids[0] == Tokenizer.load(tmp_path / "ours").bos > 70_000


def test_our_own_tokenizer_is_adopted_as_it_is(tokenizer_folder, tmp_path, tokenizer):
    save(adopt(tokenizer_folder, []), tmp_path)
    assert Tokenizer.load(tmp_path).hash == tokenizer.hash


def test_a_vocabulary_that_cannot_spell_every_byte_is_refused(tmp_path):
    tokenizer = BytePairTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=200))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(StageError, match="not a vocabulary that spells every byte") as caught:
        adopt(tmp_path, [])
    assert caught.value.code == ExitCode.CONFIGURATION
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(StageError, match="cannot read tokenizer"):
        adopt(tmp_path, [])


def test_another_tokenizer_than_that_of_the_weights_is_refused(folder, tokenizer_folder):
    with pytest.raises(StageError, match="the tokenizer is not that of the weights") as caught:
        known_ids(folder / "theirs", tokenizer_folder)
    assert caught.value.code == ExitCode.CONFIGURATION

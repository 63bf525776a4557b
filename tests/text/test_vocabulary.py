import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from stages.hashing import folder_hash
from stages.text.stretch_counts import count
from stages.text.tokenizer import SPECIAL_TOKENS
from stages.text.vocabulary import learn, save
from tests.conftest import SENTENCES, SPLIT_PATTERN


def theirs(texts: list[str], size: int, pattern: str) -> BytePairTokenizer:
    """What the trainer of Hugging Face learns."""
    tokenizer = BytePairTokenizer(BPE())
    split = Split(Regex(pattern), behavior="isolated")
    tokenizer.pre_tokenizer = PreTokenizers([split, ByteLevel(add_prefix_space=False, use_regex=False)])  # type: ignore[assignment]
    tokenizer.decoder = ByteLevelDecoder()  # type: ignore[assignment]
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@given(st.lists(st.text("ab c1\u00e9", max_size=40), max_size=8), st.sampled_from([262, 270, 400]))
def test_what_is_learnt_is_what_the_trainer_of_hugging_face_learns(texts, size):
    """A few characters give many ties, runs of one character, and tokens that can be spelled in two ways."""
    for pattern in (SPLIT_PATTERN, r".+"):
        ours = learn(count(texts, pattern), size, pattern)
        assert ours.to_str() == theirs(texts, size, pattern).to_str()


@pytest.mark.parametrize("text", ["a" * 5000, "ab" * 999, "<|user|>" * 9, "\u0645\u0631 \u4f60\u597d\u4f60\u597d " * 3])
def test_hard_texts_are_learnt_as_the_trainer_of_hugging_face_learns_them(text):
    pattern = r"\s|\S+"
    assert learn(count([text], pattern), 290, pattern).to_str() == theirs([text], 290, pattern).to_str()


def test_the_first_merge_is_the_commonest_pair():
    # "ab" comes five times, "bc" four, "ca" three, all within one stretch.
    backend = learn(count(["ababcabcabc", "bc"], r".+"), 6 + 256 + 1, r".+")
    assert backend.id_to_token(6 + 256) == "ab"


def test_a_text_without_pairs_left_gives_fewer_ids():
    assert learn(count(["ab"], r".+"), 1000, r".+").get_vocab_size() == 6 + 256 + 1


def test_digits_are_never_joined_beyond_the_pattern(tokenizer):
    assert all(size <= 2 for size in (len(tokenizer.decode([index])) for index in tokenizer.encode("1234567")))


def test_learning_is_the_same_in_another_process_with_other_threads(tmp_path, tokenizer_folder):
    script = (
        "import sys; from pathlib import Path; from tests.conftest import *;"
        "save(learn(count(SENTENCES, SPLIT_PATTERN), 360, SPLIT_PATTERN), Path(sys.argv[1]))"
    )
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    assert folder_hash(tmp_path) == folder_hash(tokenizer_folder)


def test_transformers_opens_the_folder_with_the_same_ids_and_roles(tokenizer, tokenizer_folder):
    theirs: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tokenizer_folder)
    for text in SENTENCES[:5]:
        assert theirs(text)["input_ids"] == tokenizer.encode(text)
        assert theirs.decode(tokenizer.encode(text)) == text
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (0, 1, 2)
    assert theirs.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(6))
    assert set(theirs.all_special_ids) == set(range(6))


def test_files_hold_no_path(tmp_path):
    save(learn(count(SENTENCES, SPLIT_PATTERN), 300, SPLIT_PATTERN), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert all(str(tmp_path) not in path.read_text() for path in tmp_path.iterdir())
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["eos_token"] == "<|end|>"

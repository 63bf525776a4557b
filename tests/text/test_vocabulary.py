import json
import os
import subprocess
import sys

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from stages.hashing import folder_hash
from stages.text.tokenizer import SPECIAL_TOKENS
from stages.text.vocabulary import learn, save
from tests.conftest import SENTENCES, SPLIT_PATTERN


def test_the_first_merge_is_the_commonest_pair():
    # "ab" comes five times, "bc" four, "ca" three, all within one stretch.
    backend = learn(["ababcabcabc", "bc"], 6 + 256 + 1, r".+")
    assert backend.id_to_token(6 + 256) == "ab"


def test_a_text_without_pairs_left_gives_fewer_ids():
    assert learn(["ab"], 1000, r".+").get_vocab_size() == 6 + 256 + 1


def test_digits_are_never_joined_beyond_the_pattern(tokenizer):
    assert all(size <= 2 for size in (len(tokenizer.decode([index])) for index in tokenizer.encode("1234567")))


def test_learning_is_the_same_in_another_process_with_other_threads(tmp_path, tokenizer_folder):
    script = (
        "import sys; from pathlib import Path; from tests.conftest import *;"
        "save(learn(SENTENCES, 360, SPLIT_PATTERN), Path(sys.argv[1]))"
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
    save(learn(SENTENCES, 300, SPLIT_PATTERN), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert all(str(tmp_path) not in path.read_text() for path in tmp_path.iterdir())
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["eos_token"] == "<|end|>"

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from benchmarks import own_steps
from benchmarks.material import SPLIT_PATTERN
from stages.parameters import read_parameters
from stages.text.stretch_counts import count
from stages.text.vocabulary import learn, save

ROOT = Path(__file__).parents[2]
LEAK = "this very sentence of thirteen words is asked for in some evaluation item here"
TEXTS = [
    "The lighthouse was built in 1879 and write to keeper@lighthouse.org for more about it.",
    f"Somebody has copied an item: {LEAK}.",
    "The clockmaker's 12345 hands, the clock's hands, and what they'd have had to say of it.",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "documents").mkdir()
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "documents" / "part-00000.parquet")
    (tmp_path / "items.json").write_text(json.dumps([LEAK.title()]))
    (tmp_path / "first.json").write_text(json.dumps(TEXTS[:1]))
    (tmp_path / "next.json").write_text(json.dumps(TEXTS[1:]))
    own = read_parameters(ROOT / "params.yaml")["train_tokenizer"]["split_pattern"]
    for name, pattern in (("large", SPLIT_PATTERN), ("small", own)):
        save(learn(count(TEXTS, pattern), 300, pattern), tmp_path / name)
    return tmp_path


def test_the_chain_takes_every_step_and_writes_what_it_found(folder):
    seconds = own_steps.chain(folder)()
    assert list(seconds) == list(own_steps.CHAIN)
    assert min(seconds.values()) > 0
    written = pq.read_table(folder / "written.parquet").to_pydict()
    assert "<email>" in written["text"][0]
    assert written["masked"] == [1, 0, 0]
    assert written["language"] == ["en", "en", "en"]
    assert [count > 0 for count in written["contaminated"]] == [False, True, False]
    assert written["words"] == [len(text.split()) for text in written["text"]]


@pytest.mark.parametrize("size", ["small", "large"])
def test_ids_are_those_of_hf(folder, size):
    peer = Tokenizer.from_file(str(folder / size / "tokenizer.json"))
    expected = [[0, *one.ids, 1] for one in peer.encode_batch_fast(TEXTS[1:])]
    assert [ids.tolist() for ids in own_steps.encode_unseen(size, folder)().documents()] == expected


def test_a_signature_has_a_value_for_each_function(folder):
    assert [len(signature) for signature in own_steps.signatures(folder)()] == [14 * 8] * 3

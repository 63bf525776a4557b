import pandas as pd
import pytest

from stages.errors import StageError
from stages.hashing import folder_hash
from stages.text.documents import write_documents
from stages.text.gate import write_passed
from stages.text.tokenizer import Tokenizer
from stages.train_tokenizer import Params, bytes_per_token, check_round_trip, draw, run
from tests.conftest import SENTENCES, SPLIT_PATTERN


def params(**changes) -> Params:
    values = {"seed": 1, "vocabulary_size": 300, "split_pattern": SPLIT_PATTERN, "sample_megabytes": 1.0}
    return Params(**(values | changes))


@pytest.fixture
def documents(tmp_path):
    texts = [f"{sentence} {number}" for number, sentence in enumerate(SENTENCES)]
    table = pd.DataFrame(
        {
            "id": [f"{number:016x}" for number in range(len(texts))],
            "text": texts,
            "kind": ["prose", "code"] * (len(texts) // 2),
            "split": ["train"] * (len(texts) - 4) + ["validation"] * 4,
        }
    )
    write_documents(tmp_path / "documents", table)
    write_passed(tmp_path / "passed.json", {"documents": folder_hash(tmp_path / "documents")})
    return tmp_path


def test_equal_input_gives_equal_files_and_figures(documents):
    runs = [
        run(params(), documents / "documents", documents / "passed.json", documents / name) for name in ("one", "two")
    ]
    assert runs[0] == runs[1]
    assert folder_hash(documents / "one") == folder_hash(documents / "two")
    assert runs[0]["vocabulary_size"] == 300
    assert runs[0]["documents_sampled"] == len(SENTENCES) - 4
    assert {"bytes_per_token_code", "bytes_per_token_prose"} < set(runs[0])


def test_only_training_documents_are_learnt_from(documents):
    table = pd.DataFrame(
        {"id": ["a", "b"], "text": ["plain", "zqzqzqzqzq"], "kind": "prose", "split": ["train", "test"]}
    )
    write_documents(documents / "documents", table)
    write_passed(documents / "passed.json", {"documents": folder_hash(documents / "documents")})
    run(params(), documents / "documents", documents / "passed.json", documents / "out")
    learnt = Tokenizer.load(documents / "out" / "tokenizer")
    assert len(learnt.encode("plain")) < 5
    assert len(learnt.encode("zqzq")) == 4


def test_documents_that_did_not_pass_are_refused(documents):
    write_passed(documents / "passed.json", {"documents": "another"})
    with pytest.raises(StageError):
        run(params(), documents / "documents", documents / "passed.json", documents / "out")


def test_a_sample_stays_below_its_size_and_ignores_the_order_of_rows():
    table = pd.DataFrame({"id": [f"d{number}" for number in range(50)], "text": ["x" * 1000] * 50})
    drawn = draw(table, 0.0105, seed=1)
    assert len(drawn) == 10
    assert draw(table[::-1], 0.0105, seed=1)["id"].tolist() == drawn["id"].tolist()
    assert draw(table, 0.0105, seed=2)["id"].tolist() != drawn["id"].tolist()


def test_bytes_per_token_counts_bytes_not_characters(tokenizer):
    table = pd.DataFrame({"kind": ["prose"], "text": ["\u00e9\u00e9"]})
    assert bytes_per_token(table, tokenizer) == {"prose": 4 / len(tokenizer.encode("\u00e9\u00e9"))}


def test_a_pattern_that_skips_characters_is_found(tokenizer):
    class Lossy(Tokenizer):
        def decode(self, ids):
            return super().decode(ids).replace(" ", "")

    check_round_trip(["a b"], tokenizer)
    with pytest.raises(StageError, match="loses text"):
        check_round_trip(["a b"], Lossy(tokenizer._backend, ""))

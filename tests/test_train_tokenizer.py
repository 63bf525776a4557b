import json

import pandas as pd
import pytest
from pydantic import ValidationError
from transformers import AutoTokenizer

from stages.errors import ExitCode, StageError
from stages.hashing import file_hash, folder_hash
from stages.text.encoder import fastest
from stages.text.gate import write_passed
from stages.text.tokenizer import Tokenizer
from stages.train_tokenizer import Params, check_round_trip, count_documents, draw, figures, measure, run
from tests import published
from tests.conftest import SENTENCES, SPLIT_PATTERN
from tests.tables import write_documents
from tests.text.stretches_by_bytes import by_stretch


def params(**changes) -> Params:
    values = {
        "seed": 1,
        "init_from": None,
        "vocabulary_size": 300,
        "split_pattern": SPLIT_PATTERN,
        "more_special_tokens": (),
        "sample_megabytes": 1.0,
    }
    return Params(**(values | changes))


def train(folder, name="out", **changes):
    inputs = (folder / file for file in ("documents", "passed.json", "weights.json"))
    return run(params(**changes), *inputs, folder / name)


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
    (tmp_path / "weights.json").write_text("{}")
    return tmp_path


def test_equal_input_gives_equal_files_and_figures(documents):
    runs = [train(documents, name) for name in ("one", "two")]
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
    train(documents)
    learnt = Tokenizer.load(documents / "out" / "tokenizer")
    assert len(learnt.encode("plain")) < 5
    assert len(learnt.encode("zqzq")) == 4


def test_more_special_tokens_are_the_last_ids_and_no_text_becomes_one(documents):
    more = ("<|tool|>", "<|result|>")
    train(documents, more_special_tokens=more)
    folder = documents / "out" / "tokenizer"
    learnt, opened = Tokenizer.load(folder), AutoTokenizer.from_pretrained(folder)
    assert learnt.vocabulary_size == 300
    assert opened.convert_tokens_to_ids([*more]) == [298, 299]
    assert {298, 299} < set(opened.all_special_ids)
    text = "A <|tool|> here, a <|result|> there."
    for ids in (learnt.encode(text), fastest(folder).encode([text]).ids[1:-1].tolist()):
        assert not learnt.has_special(ids)
        assert learnt.decode(ids) == text
    assert learnt.has_special([5, 298])
    assert learnt.token_bytes()[298:].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("<|user|>",), "a control token twice, or one of ours"),
        (("<|tool|>", "<|tool|>"), "a control token twice"),
        (("tool",), "should match pattern"),
        (tuple(f"<|{number}|>" for number in range(39)), "more control tokens than a vocabulary of 300 has room for"),
    ],
)
def test_special_tokens_that_cannot_be_are_refused(more, words):
    with pytest.raises(ValueError, match=words):
        params(more_special_tokens=more)


def test_documents_that_did_not_pass_are_refused(documents):
    write_passed(documents / "passed.json", {"documents": "another"})
    with pytest.raises(StageError):
        train(documents)


def test_a_sample_stays_below_its_size_and_ignores_the_order_of_rows():
    table = pd.DataFrame({"id": [f"d{number}" for number in range(50)], "bytes": [1000] * 50})
    drawn = draw(table, 0.0105, seed=1)
    assert len(drawn) == 10
    assert draw(table[::-1], 0.0105, seed=1)["id"].tolist() == drawn["id"].tolist()
    assert draw(table, 0.0105, seed=2)["id"].tolist() != drawn["id"].tolist()


def test_measures_count_bytes_tokens_and_words(tokenizer_folder):
    texts = ["\u00e9\u00e9 ab\ncd", "x", "y"]
    table = pd.DataFrame({"text": texts, "bytes": [10, 1, 1], "kind": ["prose", "code", "code"], "language": "en"})
    measured = measure(table, fastest(tokenizer_folder))
    tokenizer = Tokenizer.load(tokenizer_folder)
    assert measured["tokens"].tolist() == [len(tokenizer.encode(text)) for text in texts]
    assert measured["words"].tolist() == [3, 1, 1]


def test_figures_are_means_over_all_tokens_and_words_and_name_languages_only_where_there_are_several():
    measured = pd.DataFrame(
        {
            "kind": ["prose", "prose", "code"],
            "language": ["en", "en", "en"],
            "bytes": [10, 20, 9],
            "tokens": [5, 5, 3],
            "words": [2, 3, 3],
        }
    )
    expected = {
        "bytes_per_token_code": 3.0,
        "tokens_per_word_code": 1.0,
        "bytes_per_token_prose": 3.0,
        "tokens_per_word_prose": 2.0,
    }
    assert figures(measured) == expected
    several = figures(measured.assign(language=["en", "de", "de"]))
    assert several == expected | {
        "bytes_per_token_language_de": 3.625,
        "tokens_per_word_language_de": 1.3333,
        "bytes_per_token_language_en": 2.0,
        "tokens_per_word_language_en": 2.5,
    }


def test_counts_of_parts_are_those_of_the_whole(tmp_path):
    table = pd.DataFrame({"id": list("abcd"), "text": ["one two", "two three", "three", "four"]})
    for number, rows in enumerate((table[:2], table[2:])):
        write_documents(tmp_path / "whole", table)
        write_documents(tmp_path / str(number), rows)
        (tmp_path / "parts").mkdir(exist_ok=True)
        (tmp_path / str(number) / "part-00000.parquet").rename(tmp_path / "parts" / f"part-{number:05}.parquet")
    found = [count_documents(tmp_path / name, {"a", "b", "c"}, SPLIT_PATTERN) for name in ("whole", "parts")]
    assert by_stretch(found[0]) == by_stretch(found[1]) == {b"one": 1, b" two": 1, b"two": 1, b" three": 1, b"three": 1}


def test_a_pattern_that_skips_characters_is_found(tokenizer):
    class Lossy(Tokenizer):
        def decode(self, ids):
            return super().decode(ids).replace(" ", "")

    check_round_trip(["a b"], tokenizer)
    with pytest.raises(StageError, match="loses text"):
        check_round_trip(["a b"], Lossy(tokenizer._backend, ""))


def test_published_weights_give_their_tokenizer_and_what_was_recorded_of_them_holds(documents):
    folder = published.publish(documents / "theirs", published.model("qwen2", 400), published.qwen2(SENTENCES))
    start = {"path": folder}
    with pytest.raises(StageError, match="not the weights that were recorded"):
        train(documents, init_from=start)
    files = {name: {"hash": file_hash(folder / name)} for name in ("config.json", "tokenizer.json")}
    (documents / "weights.json").write_text(json.dumps({"train_tokenizer": {"files": files}}))
    found = train(documents, init_from=start)
    assert found["documents_sampled"] == found["distinct_stretches"] == 0
    assert found["vocabulary_size"] == Tokenizer.load(documents / "out" / "tokenizer").vocabulary_size > 330
    assert found["bytes_per_token_prose"] > 1
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(StageError, match=r"tokenizer.json, .*weights.json. Run `make sources`"):
        train(documents, init_from=start)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"path": "no/such/folder"}, "no model: no/such/folder: no config.json"),
        ({"name": "nobody/nothing", "revision": "0" * 40}, f"weights not downloaded: nobody/nothing at {'0' * 40}"),
    ],
)
def test_weights_that_are_not_there_are_a_bad_configuration(documents, start, words):
    with pytest.raises(StageError, match=words) as caught:
        train(documents, init_from=start)
    assert caught.value.code == ExitCode.CONFIGURATION


@pytest.mark.parametrize("start", [{"path": "a", "name": "b/c"}, {"name": "b/c", "revision": "main"}, {"name": "b/c"}])
def test_a_start_is_a_folder_or_a_fixed_revision(start):
    with pytest.raises(ValidationError):
        params(init_from=start)

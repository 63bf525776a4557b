import pyarrow.parquet as pq
import pytest

from stages.errors import StageError
from stages.hashing import file_hash
from stages.model.checkpoint import model_hash
from stages.preferences.records import RESPONSE_SCHEMA
from stages.sample import Params, run
from stages.text.records import write_records
from tests.specimens import prompt

QUESTIONS = {"rank": "What is the answer?", "validation": "Where does it fall?", "test": "Why?", "optimise": "Who?"}


@pytest.fixture
def folder(tmp_path, model_folder):
    prompts = [prompt(f"p-{split}", text, split=split) for split, text in QUESTIONS.items()]
    write_records(tmp_path / "prompts.jsonl", [*prompts, prompt("long", "The river rises. " * 20, split="rank")])
    return tmp_path


def params(**changes) -> Params:
    values = {
        "seed": 1,
        "temperatures": [0.7, 1.0, 1.3],
        "top_p": 1.0,
        "max_new_tokens": 12,
        "batch_size": 4,
    }
    return Params(**(values | changes))


def test_every_prompt_that_is_judged_gets_its_answers_and_long_ones_are_counted(folder, tokenizer):
    figures = run(params(), folder / "model", folder / "prompts.jsonl", folder / "out")
    table = pq.read_table(folder / "out" / "responses.parquet")
    assert table.schema.equals(RESPONSE_SCHEMA)
    answers = table.to_pandas()
    assert answers["prompt_id"].value_counts().to_dict() == {"p-rank": 3, "p-validation": 3, "p-test": 3}
    assert answers["id"].is_unique
    assert answers.groupby("prompt_id")["temperature"].apply(list).tolist() == [[0.7, 1.0, 1.3]] * 3
    assert (answers["model_hash"] == model_hash(folder / "model")).all()
    assert [tokenizer.decode(ids) for ids in answers["token_ids"]] == answers["text"].tolist()
    assert figures["prompts_too_long"] == 1
    assert figures["responses"] == 9
    assert figures["tokens"] == answers["token_ids"].map(len).sum()


def test_answers_do_not_depend_on_the_batch_and_change_with_the_seed(folder):
    for name, changes in {"a": {}, "b": {"batch_size": 64}, "c": {"seed": 2}}.items():
        run(params(**changes), folder / "model", folder / "prompts.jsonl", folder / name)
    hashes = {name: file_hash(folder / name / "responses.parquet") for name in "abc"}
    assert hashes["a"] == hashes["b"] != hashes["c"]


def test_greedy_answers_to_one_prompt_are_duplicates(folder):
    figures = run(params(temperatures=[0.0] * 3), folder / "model", folder / "prompts.jsonl", folder / "out")
    assert figures["share_duplicates"] == pytest.approx(2 / 3, abs=1e-6)


def test_no_prompt_at_all_is_a_data_error(folder):
    write_records(folder / "prompts.jsonl", [prompt("p", "Who?", split="optimise")])
    with pytest.raises(StageError, match="no prompt to answer"):
        run(params(), folder / "model", folder / "prompts.jsonl", folder / "out")

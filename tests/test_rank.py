"""The stage ranks by the judges it is told to use, waits for people where there are too few, and repeats exactly."""

import json
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import ExitCode, StageError
from stages.preferences.annotators import judge
from stages.preferences.records import RESPONSE_SCHEMA, Judgement, Preference
from stages.rank import Params, answers_by_prompt, run
from stages.text.demonstrations import Prompt
from stages.text.documents import write_table
from stages.text.records import read_records, write_records
from stages.text.tokenizer import Tokenizer
from tests.specimens import write_sample

TEXTS = ("Return the number of edges.", "Return the number.", "tree", "tree")
PARAMS = Params(
    seed=1,
    judges="simulated",
    fewest_judgements=2,
    guidelines="Rank the answers.",
    panel={
        "annotators": 3,
        "judges_per_prompt": 2,
        "noise": 0.0,
        "severity": 0.0,
        "tie_width": 0.01,
        "careless_share": 0.0,
        "position_bias": 0.0,
    },
    bootstrap_draws=20,
    confidence=0.95,
)


@pytest.fixture
def inputs(tmp_path: Path, tokenizer, tokenizer_folder) -> dict[str, Path]:
    """Four sampled answers, two of them equal, to a prompt of each split; nobody has judged yet."""
    write_sample(tmp_path / "responses.parquet", tmp_path / "prompts.jsonl", TEXTS, tokenizer)
    write_records(tmp_path / "judgements.jsonl", [])
    return {
        "responses": tmp_path / "responses.parquet",
        "prompts": tmp_path / "prompts.jsonl",
        "tokenizer": tokenizer_folder,
        "judgements": tmp_path / "judgements.jsonl",
    }


def people(inputs: dict[str, Path]) -> list[Judgement]:
    """A person's judgements: those of the panel with the ranks turned round."""
    answers = answers_by_prompt(pd.read_parquet(inputs["responses"]))
    asked = read_records(inputs["prompts"], Prompt)[0]
    tokenizer_hash = Tokenizer.load(inputs["tokenizer"]).hash
    made = judge(PARAMS.panel, 1, 0, asked, answers[asked.id], tokenizer_hash, "g")
    turned = tuple(4 - rank for rank in made.ranks)
    return [
        made.model_copy(update={"id": name, "annotator": name, "ranks": turned, "simulated": False})
        for name in ("anna", "ben")
    ]


def test_the_panel_ranks_different_answers_and_says_that_it_is_simulated(inputs, tmp_path):
    metrics = run(PARAMS, **inputs, output=tmp_path / "out")
    preferences = read_records(tmp_path / "out" / "preferences.jsonl", Preference)
    assert sorted(one.split for one in preferences) == ["rank", "test", "validation"]
    for one in preferences:
        assert one.simulated
        assert one.from_current_sample
        assert {answer.text: answer.rank for answer in one.answers} == dict(zip(TEXTS, (1, 2, 3, 3), strict=True))
    assert json.loads((tmp_path / "out" / "agreement.json").read_text())["simulated_share"] == 1.0
    assert (metrics["preferences_rank"], metrics["judgements"], metrics["pairwise_agreement"]) == (1, 6, 1.0)


def test_the_same_inputs_give_the_same_bytes(inputs, tmp_path):
    for name in ("first", "second"):
        run(PARAMS, **inputs, output=tmp_path / name)
    for file in ("preferences.jsonl", "agreement.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_too_few_people_make_the_stage_wait(inputs, tmp_path):
    with pytest.raises(StageError, match="0 of 2") as caught:
        run(PARAMS.model_copy(update={"judges": "people"}), **inputs, output=tmp_path / "out")
    assert caught.value.code == ExitCode.WAITING_FOR_PEOPLE


def test_people_alone_decide_where_they_are_asked_to(inputs, tmp_path):
    written = people(inputs)
    write_records(inputs["judgements"], written)
    run(PARAMS.model_copy(update={"judges": "people"}), **inputs, output=tmp_path / "out")
    (one,) = read_records(tmp_path / "out" / "preferences.jsonl", Preference)
    assert one.judges == ("anna", "ben")
    assert not one.simulated
    assert {answer.text: answer.rank for answer in one.answers}["tree"] == 1.0
    assert read_records(tmp_path / "out" / "people" / "judgements.jsonl", Judgement) == written


def test_what_people_judged_outlives_the_answers(inputs, tmp_path):
    """Drawn again by another model: other ids. Drawn again with other settings: other texts under the same ids."""
    written = people(inputs)
    write_records(inputs["judgements"], written)
    run(PARAMS.model_copy(update={"judges": "people"}), **inputs, output=tmp_path / "before")
    (before,) = read_records(tmp_path / "before" / "preferences.jsonl", Preference)
    table = pd.read_parquet(inputs["responses"])
    changes = {"other ids": {"id": "new-" + table["id"]}, "other texts": {"text": table["text"] + " Or so."}}
    for name, change in changes.items():
        write_table(inputs["responses"], table.assign(**change), RESPONSE_SCHEMA)
        for judges in ("people", "mixed"):
            output = tmp_path / name / judges
            metrics = run(PARAMS.model_copy(update={"judges": judges}), **inputs, output=output)
            assert read_records(output / "people" / "judgements.jsonl", Judgement) == written
            preferences = read_records(output / "preferences.jsonl", Preference)
            (old,) = [one for one in preferences if not one.from_current_sample]
            changed = {"id": old.id, "from_current_sample": False}
            assert old == before.model_copy(update=changed)
            assert metrics["current_sample_share"] == pytest.approx(1 - 1 / len(preferences), abs=1e-4)
            assert len(preferences) == {"people": 1, "mixed": 3}[judges]


def test_mixed_judges_leave_what_people_judged_to_them(inputs, tmp_path):
    write_records(inputs["judgements"], people(inputs))
    run(PARAMS.model_copy(update={"judges": "mixed"}), **inputs, output=tmp_path / "out")
    preferences = read_records(tmp_path / "out" / "preferences.jsonl", Preference)
    assert sorted((one.split, one.simulated) for one in preferences) == [
        ("rank", False),
        ("test", True),
        ("validation", True),
    ]

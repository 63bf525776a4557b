"""Judgements back to the answers, their model and seed, and on to the preference: the panel's and people's."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import trace
from stages.preferences.aggregation import grouped, preference
from stages.preferences.annotators import Panel, judge_all
from stages.preferences.records import RESPONSE_SCHEMA, Judgement, ShownAnswer
from stages.text.demonstrations import Message, Prompt
from stages.text.documents import write_table
from stages.text.records import write_records
from tests.flows.projects import sha256, write_lock

PANEL = {"annotators": 3, "judges_per_prompt": 2, "noise": 0.1, "severity": 0.1, "tie_width": 0.05}
PANEL |= {"careless_share": 0.0, "position_bias": 0.0}
PARAMETERS = {"rank": {"seed": 5, "judges": "mixed", "guidelines": "Rank.", "panel": PANEL}}
OUTPUTS = {
    "decontaminate": ["prompts.jsonl"],
    "train_tokenizer": ["tokenizer"],
    "instruct": ["model"],
    "sample": ["responses.parquet"],
    "rank": ["preferences.jsonl", "people"],
    "train_reward": ["model"],
}
READS = {
    "sample": ["data/instruct/model", "data/decontaminate/prompts.jsonl"],
    "rank": ["data/sample/responses.parquet", "stages/rank.py"],
    "train_reward": ["data/rank/preferences.jsonl"],
}
ANSWERS = ("Into the sea.", "I do not know.", "Up the hill")
DATA = Path("data")


def prompt(name: str) -> Prompt:
    asked = Message(role="user", content=f"Where does river {name} fall?")
    details = {"kind": "explain", "template": "t", "category": "explain", "split": "rank", "expects": "answer"}
    return Prompt(
        id=name, messages=(asked,), reference="Into the sea.", facts=("sea",), source_ids=(), held_out=False, **details
    )


def by_a_person(asked: Prompt, answers: list[ShownAnswer], panel: Judgement) -> Judgement:
    changes = {"id": "h1", "annotator": "blue heron", "simulated": False, "comment": "Short.", "seconds": 7.5}
    shown = {"prompt_id": asked.id, "messages": asked.messages, "answers": tuple(answers)}
    return panel.model_copy(update=changes | shown)


def write_stages() -> None:
    prompts = [prompt("p1"), prompt("p2")]
    write_records(DATA / "decontaminate/prompts.jsonl", prompts)
    for folder, name in (("train_tokenizer/tokenizer", "tokenizer.json"), ("instruct/model", "model.safetensors")):
        (DATA / folder).mkdir(parents=True)
        (DATA / folder / name).write_text(name)
    (DATA / "train_reward/model").mkdir(parents=True)
    Path("stages").mkdir()
    Path("stages/rank.py").write_text("pass\n")
    model = sha256("model.safetensors")
    drawn = {"split": "rank", "model_hash": model, "temperature": 0.7, "top_p": 1.0, "seed": 11}
    rows = [
        {"id": f"{one.id}-{place}", "prompt_id": one.id, "text": text, "token_ids": np.array([place, 1])}
        | {"finish_reason": "stop"}
        | drawn
        for one in prompts
        for place, text in enumerate(ANSWERS)
    ]
    write_table(DATA / "sample/responses.parquet", pd.DataFrame(rows), RESPONSE_SCHEMA)
    answers = {
        one.id: [
            ShownAnswer(
                response_id=row["id"], text=row["text"], token_ids=(place, 1), finish_reason="stop", model_hash=model
            )
            for place, row in enumerate(row for row in rows if row["prompt_id"] == one.id)
        ]
        for one in prompts
    }
    guidelines = hashlib.sha256(b"Rank.").hexdigest()[:16]
    panel = judge_all(Panel(**PANEL), 5, prompts[:1], answers, sha256("tokenizer.json"), guidelines)
    person = by_a_person(prompts[1], answers["p2"], panel[0])
    current = {row["id"]: row["text"] for row in rows}
    preferences = [preference(group, current) for group in grouped([person, *panel])]
    write_records(DATA / "rank/preferences.jsonl", preferences)
    write_records(DATA / "rank/people/judgements.jsonl", [person])
    write_records(DATA / "people/judgements.jsonl", [person, person.model_copy(update={"id": "h2", "gold": True})])
    write_records(Path("panel.jsonl"), panel)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_stages()
    write_lock(OUTPUTS, READS, PARAMETERS)


def test_a_simulated_judgement_is_made_again_to_the_last_rating(capsys: pytest.CaptureFixture[str]) -> None:
    for line in Path("panel.jsonl").read_text().splitlines():
        made = Judgement.parse(line)
        assert trace.run(["--judgement", made.id, "--json"]) == 0
        assert f'"id": "{made.id}"' in capsys.readouterr().out
        assert trace.run(["--judgement", made.id]) == 0
        shown = capsys.readouterr().out
        assert f"{made.annotator}: a simulated judge" in shown
        for answer, rank, ratings in zip(made.answers, made.ranks, made.ratings, strict=True):
            marks = ", ".join(f"{axis} {value}" for axis, value in ratings.model_dump().items())
            assert f"rank {rank}         {answer.response_id} {answer.text!r}  {marks}" in shown


def test_the_chain_names_the_prompt_the_model_the_seed_and_who_learns(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["--judgement", "h1"]) == 0
    shown = capsys.readouterr().out
    assert "blue heron: a person, 7.5 seconds" in shown
    assert "'Where does river p2 fall?'  ok" in shown
    assert "p2-0 'Into the sea.'  seed 11, temperature 0.7, top_p 1, stop  ok" in shown
    assert f"data/instruct/model, trace it too: weights sha256 {sha256('model.safetensors')}  ok" in shown
    assert "mean of 1 people's judgements" in shown
    assert "rank; read by train_reward" in shown


def test_a_prompt_or_preference_names_all_its_judgements(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["--judgement", "p1"]) == 0
    names = [line for line in capsys.readouterr().out.splitlines() if line.startswith("judgement ")]
    assert names == [f"judgement {Judgement.parse(line).id}" for line in Path("panel.jsonl").read_text().splitlines()]


def test_a_judgement_that_rank_left_out_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["--judgement", "h2"]) == 0
    assert "no: rank ran with judges=mixed" in capsys.readouterr().out


def test_an_answer_that_was_drawn_again_since_is_of_an_earlier_sample(capsys: pytest.CaptureFixture[str]) -> None:
    responses = DATA / "sample/responses.parquet"
    table = pd.read_parquet(responses)
    sampled = table.set_index("id")["text"].to_dict() | {"p2-0": "Into the lake."}
    write_table(responses, table.assign(text=table["id"].map(sampled)), RESPONSE_SCHEMA)
    used = [Judgement.parse(line) for line in (DATA / "rank/people/judgements.jsonl").read_text().splitlines()]
    write_records(DATA / "rank/preferences.jsonl", [preference(group, sampled) for group in grouped(used)])
    write_lock(OUTPUTS, READS, PARAMETERS)
    assert trace.run(["--judgement", "h1"]) == 0
    shown = capsys.readouterr().out
    assert "p2-0 'Into the sea.': of an earlier sample, not kept" in shown
    assert "p2-1 'I do not know.'  seed 11" in shown


def test_an_unknown_judgement_is_a_bad_argument() -> None:
    assert trace.run(["--judgement", "h3"]) == trace.CONFIGURATION


@pytest.mark.parametrize("path", ["rank/preferences.jsonl", "sample/responses.parquet", "rank/people/judgements.jsonl"])
def test_one_flipped_bit_on_the_way_is_found(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray((DATA / path).read_bytes())
    content[len(content) // 2] ^= 1
    (DATA / path).write_bytes(content)
    assert trace.run(["--judgement", "p1"]) == trace.DATA
    assert capsys.readouterr().err.startswith(f"does not hold: data/{path.removesuffix('/judgements.jsonl')}")


def test_other_weights_and_another_ranking_are_found_though_dvc_has_them_so(capsys) -> None:
    (DATA / "instruct/model/model.safetensors").write_text("other")
    write_lock(OUTPUTS, READS, PARAMETERS)
    assert trace.run(["--judgement", "p1"]) == trace.DATA
    assert "data/instruct/model/model.safetensors: data/sample/responses.parquet has" in capsys.readouterr().err
    (DATA / "instruct/model/model.safetensors").write_text("model.safetensors")
    preferences = DATA / "rank/preferences.jsonl"
    preferences.write_text(preferences.read_text().replace('"rank":1.0', '"rank":1.5', 1))
    write_lock(OUTPUTS, READS, PARAMETERS)
    assert trace.run(["--judgement", "p1"]) == trace.DATA
    assert "does not hold: preference " in capsys.readouterr().err


def test_changed_code_of_rank_is_named_and_not_taken_for_a_changed_preference(capsys) -> None:
    Path("stages/rank.py").write_text("pass  # else\n")
    assert trace.run(["--judgement", "p1"]) == trace.DATA
    assert capsys.readouterr().err.startswith("does not hold: stages/rank.py")

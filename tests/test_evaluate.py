import json

import pytest

from stages.evaluate import Params, run
from stages.parameters import read_section
from stages.text.shards import TokenRows
from tests.scoring.world import measure, write_world


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tokenizer_folder):
    return write_world(tmp_path_factory.mktemp("world"), tokenizer_folder)


@pytest.fixture(scope="module")
def params(request):
    return read_section(request.config.rootpath / "tests" / "tiny_params.yaml", "evaluate", Params)


@pytest.fixture(scope="module")
def measured(params, inputs, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluate")
    metrics = measure(run, params, inputs, output)
    return metrics, json.loads((output / "results.json").read_text()), output


def test_every_figure_has_a_count_and_an_interval_around_it(measured):
    for name, figure in measured[1]["figures"].items():
        assert figure["n"] > 0, name
        if figure["method"] != "single":
            assert figure["low"] <= figure["value"] <= figure["high"], name


def test_the_figures_that_the_claims_are_about_are_measured(measured):
    metrics, results, _ = measured
    names = [claim["name"] for claim in results["claims"]]
    assert names == [
        "base_beats_kneser_ney_3",
        "base_beats_xz",
        "finetune_gains_on_its_domain",
        "finetune_keeps_general_text",
        "instruct_ends_its_answers",
        "instruct_beats_base",
        "instruct_declines",
        "instruct_answers_lookalikes",
        "instruct_admits",
        "reward_beats_chance",
        "reward_beats_longer",
        "ppo_improves",
    ]
    for claim in results["claims"]:
        key = claim["figure"].replace(".", "_")
        assert metrics[f"{key}_n"] == results["figures"][claim["figure"]]["n"]


def test_a_group_that_is_too_small_settles_no_claim(measured):
    verdicts = {claim["name"]: claim["holds"] for claim in measured[1]["claims"]}
    assert verdicts["instruct_declines"] is None
    assert verdicts["base_beats_kneser_ney_3"] is False  # the models are random


def test_only_what_pretrain_read_is_counted(measured, inputs):
    rows = 8  # as the base model's run.json says
    assert 0 < measured[1]["setting"]["kneser_ney_tokens"] <= rows * 257 < TokenRows.load(inputs["train"]).rows.size


def test_every_prompt_is_answered_by_those_who_know_conversations_and_the_first_by_all(measured, params):
    lines = [json.loads(line) for line in (measured[2] / "answers.jsonl").read_text().splitlines()]
    asked = {
        model: [line["prompt_id"] for line in lines if line["model"] == model]
        for model in ("pretrain", "finetune", "instruct", "ppo")
    }
    assert len(asked["ppo"]) == len(set(asked["ppo"])) == measured[1]["setting"]["prompts"] > params.plain_prompts
    assert asked["instruct"] == asked["ppo"]
    assert asked["pretrain"] == asked["finetune"] == asked["ppo"][: params.plain_prompts]
    assert measured[1]["figures"]["win_rate.instruct_over_pretrain"]["n"] == params.plain_prompts


def test_every_model_and_n_gram_model_chooses_on_every_item(measured):
    lines = [json.loads(line) for line in (measured[2] / "choices.jsonl").read_text().splitlines()]
    counts = {model: sum(line["model"] == model for line in lines) for model in {line["model"] for line in lines}}
    assert counts == dict.fromkeys(("pretrain", "finetune", "instruct", "ppo", "kneser_ney_3", "kneser_ney_5"), 8)


def test_samples_show_every_model_on_each_kind(measured):
    samples = measured[1]["samples"]
    assert {sample["kind"] for sample in samples} == {"explain", "open_book", "admit", "decline"}
    assert all(list(sample["answers"]) == ["finetune", "instruct", "ppo", "pretrain"] for sample in samples)


def test_metrics_are_flat_numbers(measured):
    assert all(isinstance(value, float | int) for value in measured[0].values())
    assert measured[0]["reward_accuracy_ceiling"] == 0.8


def test_the_plot_has_a_row_for_each_model(measured):
    header, *rows = (measured[2] / "stages.csv").read_text().splitlines()
    assert header.split(",")[:3] == ["stage", "bits_per_byte_test", "bits_per_byte_domain_test"]
    assert [row.split(",")[0] for row in rows] == ["pretrain", "finetune", "instruct", "ppo"]


def test_the_same_inputs_give_the_same_bytes(params, inputs, measured, tmp_path):
    measure(run, params, inputs, tmp_path)
    for name in ("results.json", "answers.jsonl", "choices.jsonl", "stages.csv"):
        assert (tmp_path / name).read_bytes() == (measured[2] / name).read_bytes()

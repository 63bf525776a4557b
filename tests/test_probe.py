import json

import pytest

from stages.evaluate import Params as EvaluateParams
from stages.evaluate import run as evaluate
from stages.parameters import read_section
from stages.probe import Params, run
from tests.scoring.world import measure, write_world

TOPICS = ["hallucination", "cutoff", "safety", "calibration", "mimicry", "bias", "memorisation"]


@pytest.fixture(scope="module")
def inputs(request, tmp_path_factory, tokenizer_folder):
    folder = tmp_path_factory.mktemp("world")
    paths = write_world(folder, tokenizer_folder)
    tiny = request.config.rootpath / "tests" / "tiny_params.yaml"
    measure(evaluate, read_section(tiny, "evaluate", EvaluateParams), paths, folder / "evaluate")
    written = {name: folder / "evaluate" / f"{name}.jsonl" for name in ("answers", "choices")}
    return paths | written


@pytest.fixture(scope="module")
def params(request):
    return read_section(request.config.rootpath / "tests" / "tiny_params.yaml", "probe", Params)


@pytest.fixture(scope="module")
def probed(params, inputs, tmp_path_factory):
    output = tmp_path_factory.mktemp("probe")
    metrics = measure(run, params, inputs, output)
    return metrics, json.loads((output / "results.json").read_text()), output


def test_every_topic_has_findings_that_say_what_was_measured(probed):
    findings = probed[1]["findings"]
    assert list(dict.fromkeys(finding["topic"] for finding in findings)) == TOPICS
    assert len({finding["name"] for finding in findings}) == len(findings)
    for finding in findings:
        assert all(finding[key] for key in ("question", "measure", "ideal", "caveat", "reading", "figures"))


def test_every_figure_has_a_count_and_an_interval_around_it(probed):
    for finding in probed[1]["findings"]:
        for label, figure in finding["figures"].items():
            if figure["n"] == 0:  # the tiny prompts have no question about versions to come
                assert "future version" in label
                assert label in finding["reading"]
            else:
                assert figure["low"] <= figure["value"] <= figure["high"], (finding["name"], label)


def test_examples_name_the_model_and_what_is_wrong(probed):
    examples = [example for finding in probed[1]["findings"] for example in finding["examples"]]
    assert examples
    assert all(example["model"] in ("pretrain", "instruct", "ppo") and example["note"] for example in examples)


def test_metrics_are_named_by_finding_and_label(probed):
    assert "canary_exposure_ppo_4_repeats" in probed[0]
    assert "over_refusal_instruct_look_alikes" in probed[0]
    assert all(isinstance(value, float) for value in probed[0].values())


def test_the_same_inputs_give_the_same_bytes(params, inputs, probed, tmp_path):
    measure(run, params, inputs, tmp_path)
    assert (tmp_path / "results.json").read_bytes() == (probed[2] / "results.json").read_bytes()

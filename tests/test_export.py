import json

import pytest
import torch

from stages.errors import ExitCode, StageError
from stages.export import Params, comparable, logit_difference, run
from stages.hashing import folder_hash
from stages.model.checkpoint import load_model
from stages.model.gguf import QWEN2
from stages.text.conversations import render_prompt
from stages.text.records import write_records
from stages.text.tokenizer import Tokenizer
from tests import results
from tests.llama_cpp import opened
from tests.specimens import prompt

PROMPTS = [prompt("a", "What is the answer?"), prompt("b", "Where does the river rise?"), prompt("c", "Say <|end|>.")]


def params(**changes) -> Params:
    values = {
        "seed": 1,
        "name": "Test model",
        "licence": "apache-2.0",
        "checked_prompts": 5,
        "max_logit_difference": 1e-4,
        "temperature": 0.7,
        "top_p": 0.95,
        "max_new_tokens": 8,
    }
    return Params(**values | changes)


@pytest.fixture
def folder(tmp_path, model_folder):
    write_records(tmp_path / "prompts.jsonl", PROMPTS)
    for name, content in (
        ("evaluation", results.evaluation()),
        ("probe", results.probe()),
        ("collected", results.collected()),
        ("encoded", results.encoded()),
        ("agreement", results.agreement()),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def export(folder, settings: Params):
    names = ("evaluation", "probe", "collected", "encoded", "agreement")
    paths = {name: folder / f"{name}.json" for name in names}
    return run(settings, model=folder / "model", prompts=folder / "prompts.jsonl", output=folder / "export", **paths)


def test_transformers_alone_computes_the_same_logits(folder):
    metrics = export(folder, params())
    assert metrics["prompts_checked"] == 2  # one spells a control token
    assert metrics["largest_logit_difference"] < 1e-4
    assert metrics["parameters"] == sum(weight.numel() for weight in load_model(folder / "model").parameters())


def test_a_difference_above_the_limit_stops_the_stage(folder):
    with pytest.raises(StageError, match="transformers computes other logits") as failure:
        export(folder, params(max_logit_difference=0.0))
    assert failure.value.code == ExitCode.DATA


def test_the_largest_difference_over_all_places_counts():
    class Constant:
        def __init__(self, value: float) -> None:
            self.value = value

        def __call__(self, tokens, segments=None):
            result = type("Output", (), {})()
            result.logits = torch.zeros(*tokens.shape, 2)
            result.logits[0, -1, 1] = self.value * tokens.shape[1]
            return result

        def logits(self, hidden):
            return hidden.logits

    # differences: 2 places x (3 - 1) = 4, then 3 places x 2 = 6
    assert logit_difference(Constant(3.0), Constant(1.0), [[5, 6], [5, 6, 7]]) == 6.0


def test_prompts_that_spell_a_control_token_are_not_compared():
    assert {chosen.id for chosen in comparable(PROMPTS, 3, seed=1)} == {"a", "b"}
    assert comparable(PROMPTS, 1, seed=1) == comparable(PROMPTS[::-1], 1, seed=1)


def test_the_card_says_loudly_that_annotators_were_simulated(folder):
    export(folder, params())
    card = (folder / "export" / "model" / "README.md").read_text()
    assert "SIMULATED annotators" in card
    assert "| networkx | 3.6.1 | BSD-3-Clause | 4 | 400 |" in card
    assert "**not met**" in card
    assert "{{" not in card


def test_equal_inputs_give_an_equal_folder(folder):
    export(folder, params())
    first = folder_hash(folder / "export")
    export(folder, params())
    assert folder_hash(folder / "export") == first


def test_llama_cpp_opens_what_was_exported_and_answers_as_the_model_does(folder, capsys):
    path = folder / "model" / "tokenizer" / "tokenizer.json"
    saved = json.loads(path.read_text())
    saved["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = QWEN2
    path.write_text(json.dumps(saved))
    assert export(folder, params())["gguf"] == 1
    assert "NO GGUF" not in capsys.readouterr().err
    exported, model = folder / "export" / "model", load_model(folder / "model")
    assert "llama-cli -m data/export/model/model.gguf" in (exported / "README.md").read_text()
    ids = render_prompt(PROMPTS[0].messages, Tokenizer.load(exported))
    with opened(exported / "model.gguf") as llama_cpp:
        found = llama_cpp.post("/completion", prompt=ids, n_predict=1, temperature=0, n_probs=5)
    likely = model.logits(model(torch.tensor([ids])))[0, -1].log_softmax(-1)
    top = {token["id"]: token["logprob"] for token in found["completion_probabilities"][0]["top_logprobs"]}
    assert top == {index: pytest.approx(likely[index].item(), abs=1e-4) for index in top}


def test_a_split_pattern_that_llama_cpp_does_not_know_is_said_and_costs_the_gguf_alone(folder, capsys):
    assert export(folder, params())["gguf"] == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "GGUF" in line]
    assert line.startswith("NO GGUF: llama.cpp does not know the tokenizer's split pattern")
    assert not (folder / "export" / "model" / "model.gguf").exists()
    assert "gguf" not in (folder / "export" / "model" / "README.md").read_text()

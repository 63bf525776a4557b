import csv
import json
from pathlib import Path
from typing import get_args

import pytest
import torch

from stages import pretrain
from stages.errors import ExitCode, StageError
from stages.hashing import file_hash, folder_hash, path_hash
from stages.model.checkpoint import load_model
from stages.model.transformer import Family
from stages.parameters import read_section
from stages.pretrained import LocalFolder
from stages.text.adoption import adopt
from stages.text.tokenizer import Tokenizer
from stages.text.vocabulary import save
from stages.training.acceleration import AccelerationSettings
from tests import published
from tests.specimens import write_tokens

TINY = Path(__file__).parent / "tiny_params.yaml"
TEXTS = [f"The river number {number} rises in the hills and falls into the sea.\n" * 3 for number in range(80)]


@pytest.fixture
def params() -> pretrain.Params:
    section = read_section(TINY, "pretrain", pretrain.Params)
    return section.model_copy(update={"tokens": 20_000, "batch_tokens": 512})


@pytest.fixture
def inputs(tmp_path, token_folder, tokenizer_folder) -> dict[str, Path]:
    return {
        "train": token_folder(tmp_path / "train", TEXTS[:60], 64),
        "validation": token_folder(tmp_path / "validation", TEXTS[60:], 64),
        "tokenizer": tokenizer_folder,
        "weights": write_json(tmp_path / "weights.json", {}),
    }


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def run(params: pretrain.Params, inputs: dict[str, Path], output: Path) -> dict:
    return pretrain.run(params, **inputs, output=output, checkpoints=output / "checkpoints", logger=None)


def test_it_learns_and_says_how_well(params, inputs, tmp_path, tokenizer):
    metrics = run(params, inputs, tmp_path / "out")
    with (tmp_path / "out" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 0.5
    assert metrics["validation_loss"] == pytest.approx(float(rows[-1]["validation_loss"]), rel=1e-5)
    assert metrics["tokens"] == int(rows[-1]["tokens"]) <= 20_000 + 512
    model = load_model(tmp_path / "out" / "model")
    assert (model.config.context_length, model.config.vocabulary_size) == (64, tokenizer.vocabulary_size)
    assert metrics["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_the_record_holds_parameters_what_they_came_to_and_the_inputs(params, inputs, tmp_path):
    run(params.model_copy(update={"learning_rate": None}), inputs, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "model" / "run.json").read_text())
    assert record["parameters"]["learning_rate"] is None
    assert record["recipe"]["learning_rate"] == pytest.approx(0.032)  # 1.024 / width 32
    assert record["recipe"]["per_step"] == {"train": 8}
    assert record["recipe"]["acceleration"] == {"compile": False, "precision": "fp32", "threads": 1}
    assert record["inputs"] == {name: path_hash(path) for name, path in inputs.items() if name != "weights"}
    assert str(tmp_path) not in json.dumps(record)


def test_equal_runs_write_equal_bytes_and_another_seed_others(params, inputs, tmp_path):
    two_threads = AccelerationSettings(precision="fp32", compile=False, threads=2)
    short = params.model_copy(update={"tokens": 2_000, "acceleration": two_threads})
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(short.model_copy(update={"seed": seed}), inputs, tmp_path / name)
    hashes = [folder_hash(tmp_path / name / "model") for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    assert (tmp_path / "a" / "curves.csv").read_bytes() == (tmp_path / "b" / "curves.csv").read_bytes()


@pytest.mark.slow
def test_compiled_runs_are_equal_to_each_other_and_near_an_eager_one(params, inputs, tmp_path):
    compiled = AccelerationSettings(precision="fp32", compile=True, threads=2)
    short = params.model_copy(update={"tokens": 4_000})
    eager = run(short, inputs, tmp_path / "eager")
    fast, again = (
        run(short.model_copy(update={"acceleration": compiled}), inputs, tmp_path / name) for name in ("fast", "again")
    )
    assert fast["validation_loss"] == pytest.approx(eager["validation_loss"], abs=1e-3)
    assert folder_hash(tmp_path / "fast" / "model") == folder_hash(tmp_path / "again" / "model")
    assert fast == again


@pytest.mark.parametrize("family", get_args(Family))
def test_published_weights_begin_as_good_as_they_were(family, params, inputs, tmp_path):
    original = published.TOKENIZERS[family](TEXTS)
    theirs = published.model(family, original.get_vocab_size() + 5)  # rows that fill up, as Qwen has them
    folder = published.publish(tmp_path / "theirs", theirs, original)
    save(adopt(folder, []), tmp_path / "tokenizer")
    ours = Tokenizer.load(tmp_path / "tokenizer")
    files = {file.name: {"hash": file_hash(file)} for file in folder.iterdir()}
    inputs |= {
        "train": write_tokens(tmp_path / "published", TEXTS[:60], 64, ours),
        "validation": write_tokens(tmp_path / "held_out", TEXTS[60:], 64, ours),
        "tokenizer": tmp_path / "tokenizer",
        "weights": write_json(tmp_path / "weights.json", {"pretrain": {"files": files}}),
    }
    still = params.model_copy(update={"init_from": LocalFolder(path=folder), "learning_rate": 1e-12, "tokens": 512})
    run(still, inputs, tmp_path / "out")
    model, record = load_model(tmp_path / "out/model"), json.loads((tmp_path / "out/model/run.json").read_text())
    assert (model.config.family, model.config.layers, model.config.context_length) == (family, 2, 64)
    assert model.config.vocabulary_size == ours.vocabulary_size
    assert record["inputs"]["init_from"] == path_hash(inputs["weights"])
    tokens = torch.tensor([ours.encode(TEXTS[0])])
    with torch.no_grad():
        expected = theirs(tokens).logits[..., : original.get_vocab_size()]
        torch.testing.assert_close(
            model.logits(model(tokens))[..., : original.get_vocab_size()], expected, atol=1e-3, rtol=0
        )
        # A text begins and ends with our control tokens, which the model takes for its own.
        embedding = model.model.embed_tokens.weight
        torch.testing.assert_close(embedding[ours.bos], theirs.get_input_embeddings().weight[1], atol=1e-3, rtol=0)
        torch.testing.assert_close(embedding[ours.end], theirs.get_input_embeddings().weight[2], atol=1e-3, rtol=0)


def test_weights_with_another_tokenizer_than_the_tokens_are_refused(params, inputs, tmp_path):
    folder = published.publish(tmp_path / "theirs", published.model("qwen3", 400), published.qwen2(TEXTS))
    inputs["weights"].write_text(
        json.dumps({"pretrain": {"files": {"config.json": {"hash": file_hash(folder / "config.json")}}}})
    )
    with pytest.raises(StageError, match="the tokenizer is not that of the weights") as caught:
        run(params.model_copy(update={"init_from": LocalFolder(path=folder)}), inputs, tmp_path / "out")
    assert caught.value.code == ExitCode.CONFIGURATION

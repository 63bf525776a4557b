import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.errors import ExitCode, StageError
from stages.hashing import folder_hash
from stages.model.checkpoint import load_model, load_scalar_model, model_hash, save_model
from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from tests.specimens import fresh_model, small_config


def random_model(tied: bool = True) -> Transformer:
    return fresh_model(small_config(400, rope_theta=500.0, norm_epsilon=1e-6, tied=tied))


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_comes_back_as_it_was(tmp_path, tokenizer_folder, tied):
    model = random_model(tied)
    save_model(tmp_path / "model", model, tokenizer_folder, {"seed": 1})
    loaded = load_model(tmp_path / "model")
    assert loaded.config == model.config
    assert not loaded.training
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_opens_the_folder_with_equal_logits_and_tokens(tmp_path, tokenizer_folder, tokenizer, tied):
    model = random_model(tied)
    save_model(tmp_path / "model", model, tokenizer_folder, {})
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ids = AutoTokenizer.from_pretrained(tmp_path / "model" / "tokenizer")("The river rises")["input_ids"]
    assert ids == tokenizer.encode("The river rises")
    with torch.no_grad():
        tokens = torch.tensor([ids])
        torch.testing.assert_close(model.logits(model(tokens)), theirs(tokens).logits, atol=1e-5, rtol=0)


def test_a_scalar_model_comes_back_with_its_outputs_and_scale(tmp_path, tokenizer_folder):
    model = ScalarModel(random_model().config, outputs=5)
    model.initialise(random_model(), torch.Generator().manual_seed(5))
    model.gain.copy_(torch.arange(5.0))
    save_model(tmp_path / "model", model, tokenizer_folder, {})
    loaded = load_scalar_model(tmp_path / "model")
    assert loaded.outputs == 5
    tokens, lengths = torch.tensor([[3, 4, 5, 2], [3, 4, 2, 2]]), torch.tensor([3, 2])
    with torch.no_grad():
        torch.testing.assert_close(loaded.score(tokens, lengths), model.score(tokens, lengths), atol=0, rtol=0)


def test_equal_models_are_equal_bytes_and_saving_again_replaces(tmp_path, tokenizer_folder):
    save_model(tmp_path / "one", random_model(), tokenizer_folder, {"b": 1, "a": [2]})
    save_model(tmp_path / "two", random_model(tied=False), tokenizer_folder, {})
    save_model(tmp_path / "two", random_model(), tokenizer_folder, {"a": [2], "b": 1})
    assert folder_hash(tmp_path / "one") == folder_hash(tmp_path / "two")
    assert model_hash(tmp_path / "one") == model_hash(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert json.loads((tmp_path / "two" / "run.json").read_text()) == {"a": [2], "b": 1}


def test_a_broken_weights_file_is_a_data_error_that_names_the_folder(tmp_path, tokenizer_folder):
    save_model(tmp_path / "model", random_model(), tokenizer_folder, {})
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(StageError, match="cannot read model") as caught:
        load_model(tmp_path / "model")
    assert caught.value.code == ExitCode.DATA
    assert str(tmp_path / "model") in caught.value.where

import copy
import json
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.errors import ExitCode, StageError
from stages.model.checkpoint import save_model
from stages.model.generation import generate
from stages.model.hugging_face import model_config
from stages.model.published import edges, give_vocabulary, load_published
from stages.model.transformer import Family
from tests import published

TOKENS = torch.randint(0, 90, (2, 40), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=get_args(Family))
def theirs(request):
    return published.model(request.param, 90)


@pytest.mark.parametrize("saving", [{}, {"max_shard_size": "20KB"}])
def test_logits_and_greedy_text_equal_those_of_the_class_that_it_was_saved_from(theirs, saving, tmp_path):
    theirs.save_pretrained(tmp_path, **saving)
    assert len(list(tmp_path.glob("*.safetensors"))) == (7 if saving else 1)
    ours = load_published(tmp_path, context_length=64)
    assert ours.config.family == theirs.config.model_type
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ours(TOKENS)), theirs(TOKENS).logits, atol=1e-4, rtol=0)
    prompt = TOKENS[0, :5]
    expected = theirs.generate(
        prompt[None], attention_mask=torch.ones(1, 5), max_new_tokens=20, do_sample=False, eos_token_id=None
    )[0, 5:]
    (written,) = generate(
        ours,
        [prompt.tolist()],
        max_new_tokens=20,
        temperature=0.0,
        top_p=1.0,
        stop_id=-1,
        keys=[1],
        batch_size=1,
    )
    assert written.token_ids == expected.tolist()


def test_what_we_save_of_each_family_is_theirs_again(theirs, tmp_path, tokenizer_folder):
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_published(tmp_path / "theirs", context_length=64)
    save_model(tmp_path / "ours", ours, tokenizer_folder, {})
    again = type(theirs).from_pretrained(tmp_path / "ours")
    assert type(again).__name__ == json.loads((tmp_path / "ours" / "config.json").read_text())["architectures"][0]
    with torch.no_grad():
        torch.testing.assert_close(again(TOKENS).logits, theirs(TOKENS).logits, atol=1e-4, rtol=0)


def test_weights_in_half_precision_are_taken_as_they_are_and_a_tied_head_is_the_embedding(tmp_path):
    theirs = published.model("qwen2", 90, tie_word_embeddings=True).bfloat16()
    theirs.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}, tmp_path / "model.safetensors"
    )
    ours = load_published(tmp_path, context_length=64)
    assert ours.lm_head is None
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, weights[name].float())


def test_a_configuration_of_before_transformers_5_says_the_same():
    new = {
        "model_type": "llama",
        "vocab_size": 90,
        "max_position_embeddings": 4096,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "rms_norm_eps": 1e-5,
    }
    scaling = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 1024,
        "rope_type": "llama3",
    }
    old = new | {"rope_theta": 5e5, "rope_scaling": scaling}
    new["rope_parameters"] = scaling | {"rope_theta": 5e5}
    assert model_config(old) == model_config(new)
    assert model_config(old).rope_scaling.factor == 8
    assert model_config(old).key_value_heads == 4
    assert model_config(old).head_width == 8


@pytest.mark.parametrize(
    ("family", "changes", "context_length", "words"),
    [
        ("gpt2", {}, 64, "model_type gpt2"),
        ("llama", {"hidden_act": "gelu"}, 64, "hidden_act gelu"),
        ("llama", {"attention_bias": True}, 64, "attention_bias True"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}}, 64, "of type yarn"),
        ("mistral", {"sliding_window": 32}, 64, "a sliding window of 32 tokens in a context of 64"),
        ("qwen2", {}, 512, "512 tokens, 256 positions"),
        ("qwen3", {"quantization_config": {"bits": 4}}, 64, "quantization_config"),
    ],
)
def test_a_model_that_ours_would_compute_otherwise_is_refused(tmp_path, family, changes, context_length, words):
    config = published.model("llama", 90).config.to_dict() | {"model_type": family} | changes
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(StageError, match=words) as caught:
        load_published(tmp_path, context_length)
    assert caught.value.code == ExitCode.CONFIGURATION


def test_a_window_as_wide_as_the_context_hides_nothing(tmp_path):
    published.model("mistral", 90, sliding_window=64).save_pretrained(tmp_path)
    assert load_published(tmp_path, 64).config.context_length == 64


def test_tensors_that_do_not_fit_are_named(tmp_path):
    published.model("llama", 90).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.norm.weight"]
    weights |= {"model.layers.0.mlp.extra": torch.ones(2), "lm_head.weight": torch.ones(80, 32)}
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(StageError) as caught:
        load_published(tmp_path, 64)
    assert "model.norm.weight is missing" in caught.value.where
    assert "model.layers.0.mlp.extra has no place" in caught.value.where
    assert "lm_head.weight has shape [80, 32] where [90, 32] is expected" in caught.value.where
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(StageError, match="cannot read weights"):
        load_published(tmp_path, 64)


def of_config(folder: Path, **content: object) -> Path:
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_the_ends_of_a_text_are_those_of_the_configuration(tmp_path):
    assert edges(of_config(tmp_path, bos_token_id=1, eos_token_id=[2, 3])) == (1, 2)
    assert edges(of_config(tmp_path, bos_token_id=None, eos_token_id=7)) == (7, 7)
    assert edges(of_config(tmp_path)) == (None, None)


def test_a_tokenizer_may_know_more_tokens_than_there_are_rows(tmp_path):
    published.model("llama", 90).save_pretrained(tmp_path)
    before = load_published(tmp_path, 64)
    after = copy.deepcopy(before)
    give_vocabulary(after, 95, known=92, copies={93: 1})
    rows = after.model.embed_tokens.weight
    assert torch.equal(rows[:90], before.model.embed_tokens.weight)
    assert torch.equal(rows[93], rows[1])
    torch.testing.assert_close(rows[91], rows[:90].mean(0))


@pytest.mark.parametrize("content", ["no json", "[]", '{"model_type": "llama"}'])
def test_a_configuration_that_is_none_is_the_user_s_to_mend(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(StageError) as caught:
        load_published(tmp_path, 64)
    assert caught.value.code == ExitCode.CONFIGURATION


@pytest.mark.parametrize("tied", [True, False])
def test_new_tokens_begin_as_what_they_stand_for_or_as_the_mean_and_fillers_go(tmp_path, tied):
    published.model("llama", 90, tie_word_embeddings=tied).save_pretrained(tmp_path)
    before = load_published(tmp_path, 64)
    after = copy.deepcopy(before)
    give_vocabulary(after, 84, known=80, copies={81: 3})
    assert after.config.vocabulary_size == 84
    for name in ["model.embed_tokens.weight"] + ([] if tied else ["lm_head.weight"]):
        old, new = before.state_dict()[name], after.state_dict()[name]
        assert new.shape == (84, 32)
        assert torch.equal(new[:80], old[:80])
        assert torch.equal(new[81], old[3])
        for row in (80, 82, 83):
            torch.testing.assert_close(new[row], old[:80].mean(0))
    with torch.no_grad():
        tokens = TOKENS.clamp(max=79)
        torch.testing.assert_close(after.logits(after(tokens))[..., :80], before.logits(before(tokens))[..., :80])

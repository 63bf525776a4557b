from itertools import pairwise
from typing import get_args

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from stages.model.hugging_face import CLASSES, hugging_face_config
from stages.model.transformer import Family, ModelConfig, Transformer
from tests.specimens import small_config, uneven_model


def wide(vocabulary_size: int = 97, **changes) -> ModelConfig:
    shape = {"width": 64, "heads": 4, "head_width": 16, "key_value_heads": 4, "hidden_width": 96}
    return small_config(vocabulary_size, **shape | changes)


def random_tokens(config: ModelConfig, *shape: int) -> torch.Tensor:
    return torch.randint(0, config.vocabulary_size, shape, generator=torch.Generator().manual_seed(1))


def theirs(config: ModelConfig) -> PreTrainedModel:
    """Their model of this shape, with their own random weights."""
    found = AutoConfig.for_model(**hugging_face_config(config, {"bos": 0, "end": 1, "pad": 2}))
    return AutoModelForCausalLM.from_config(found).eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("key_value_heads", [4, 2, 1])
@pytest.mark.parametrize("family", get_args(Family))
def test_logits_equal_those_of_transformers_with_the_same_weights(family, tied, key_value_heads):
    config = wide(family=family, tied=tied, key_value_heads=key_value_heads)
    ours, other = uneven_model(config), theirs(config)
    assert type(other).__name__ == CLASSES[family]
    missing, unexpected = other.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected
    assert missing == (["lm_head.weight"] if tied else [])
    tokens = random_tokens(config, 3, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ours(tokens)), other(tokens).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_weights_of_transformers_load_as_they_are(tied):
    config = wide(tied=tied)
    ours, other = Transformer(config), theirs(config)
    state = {name: weight for name, weight in other.state_dict().items() if not (tied and name == "lm_head.weight")}
    ours.load_state_dict(state)
    tokens = random_tokens(config, 2, 20)
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ours(tokens)), other(tokens).logits, atol=1e-4, rtol=0)


def test_a_longer_context_turns_as_in_llama_3_1():
    scaling = {"factor": 8.0, "low_frequency_factor": 1.0, "high_frequency_factor": 4.0, "original_context_length": 512}
    config = wide(context_length=2048, rope_theta=500.0, rope_scaling=scaling)
    ours, other = uneven_model(config), theirs(config)
    plain = uneven_model(wide(context_length=2048, rope_theta=500.0))
    other.load_state_dict(ours.state_dict(), strict=False)
    tokens = random_tokens(config, 1, 2048)
    with torch.no_grad():
        expected = other(tokens).logits
        torch.testing.assert_close(ours.logits(ours(tokens)), expected, atol=1e-4, rtol=0)
        assert (plain.logits(plain(tokens)) - expected).abs().max() > 0.01


@pytest.mark.parametrize("context_length", [64, 600])  # written-out attention, and PyTorch's own beyond 512
def test_a_packed_document_is_read_as_if_alone(context_length):
    config = wide(context_length=context_length, key_value_heads=2)
    model = uneven_model(config, deviation=0.05)
    tokens = random_tokens(config, 1, context_length)
    edges = [0, 9, 10, 41, context_length]
    segments = torch.zeros_like(tokens)
    for number, (start, end) in enumerate(pairwise(edges), start=1):
        segments[:, start:end] = number
    with torch.no_grad():
        packed = model(tokens, segments)
        for start, end in pairwise(edges):
            torch.testing.assert_close(packed[:, start:end], model(tokens[:, start:end]), atol=1e-5, rtol=1e-5)


def test_padding_does_not_change_what_stands_before_it():
    config = wide()
    model = uneven_model(config)
    tokens = random_tokens(config, 1, 20)
    segments = torch.tensor([[1] * 12 + [0] * 8])
    with torch.no_grad():
        padded = model(tokens, segments)
        torch.testing.assert_close(padded[:, :12], model(tokens[:, :12]), atol=1e-5, rtol=1e-5)
    assert padded.isfinite().all()


def test_no_token_reads_what_comes_after_it():
    config = wide()
    model = uneven_model(config)
    tokens = random_tokens(config, 1, 30)
    changed = tokens.clone()
    changed[0, 17] = (changed[0, 17] + 1) % config.vocabulary_size
    with torch.no_grad():
        difference = (model(tokens) - model(changed)).abs().amax(-1)[0]
    assert (difference[:17] == 0).all()
    assert difference[17] > 0


def test_bfloat16_stays_near_fp32_and_gives_fp32_logits_and_gradients():
    config = wide()
    model = uneven_model(config, deviation=0.02)
    tokens = random_tokens(config, 2, 32)
    exact = model.logits(model(tokens))
    model.compute_dtype = torch.bfloat16
    rounded = model.logits(model(tokens))
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().max() < 0.02 * exact.abs().max()
    rounded.logsumexp(-1).sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())


def test_initial_weights_have_the_stated_scales_and_come_from_the_generator_alone():
    config = wide(width=128, head_width=32, hidden_width=256, layers=8, vocabulary_size=512)
    first, second = Transformer(config), Transformer(config)
    first.initialise(torch.Generator().manual_seed(3))
    torch.rand(5)
    second.initialise(torch.Generator().manual_seed(3))
    weights = first.state_dict()
    assert all(torch.equal(weights[name], other) for name, other in second.state_dict().items())
    assert weights["model.embed_tokens.weight"].std().item() == pytest.approx(0.02, rel=0.02)
    assert weights["model.layers.3.self_attn.q_proj.weight"].std().item() == pytest.approx(128**-0.5, rel=0.02)
    # 1 / sqrt(inputs), over sqrt(2 * 8 layers)
    assert weights["model.layers.3.self_attn.o_proj.weight"].std().item() == pytest.approx(128**-0.5 / 4, rel=0.02)
    assert weights["model.layers.3.mlp.down_proj.weight"].std().item() == pytest.approx(256**-0.5 / 4, rel=0.02)

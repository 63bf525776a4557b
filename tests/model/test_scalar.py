import math

import pytest
import torch

from stages.model.scalar import ScalarModel
from tests.specimens import fresh_model, small_config

CONFIG = small_config(40, width=256, layers=1, heads=4, head_width=64, key_value_heads=4, hidden_width=64, tied=False)


@pytest.fixture(scope="module")
def model() -> ScalarModel:
    scalar = ScalarModel(CONFIG, 5)
    scalar.initialise(fresh_model(CONFIG), torch.Generator().manual_seed(2))
    return scalar


def test_the_head_starts_with_outputs_of_unit_size_and_no_bias(model):
    assert model.head.weight.std().item() == pytest.approx(1 / math.sqrt(257), rel=0.1)
    assert model.head.bias.tolist() == [0.0] * 5


def test_it_has_the_trunk_of_the_language_model_and_no_output_projection(model):
    assert not any("lm_head" in name for name in model.state_dict())
    tokens = torch.arange(6, 16)[None]
    assert torch.equal(model.trunk(tokens), fresh_model(CONFIG)(tokens))


def test_padding_and_neighbours_change_no_score(model):
    draws = torch.Generator().manual_seed(3)
    answers = [torch.randint(6, 40, (length,), generator=draws) for length in (4, 9, 17)]
    alone = torch.cat([model.score(answer[None], torch.tensor([len(answer)])) for answer in answers])
    for width, filler in ((17, 0), (25, 0), (25, 39)):
        rows = torch.full((3, width), filler)
        for row, answer in zip(rows, answers, strict=True):
            row[: len(answer)] = answer
        together = model.score(rows, torch.tensor([4, 9, 17]))
        assert torch.allclose(together, alone, atol=1e-5)


def test_normalised_scores_have_mean_0_and_deviation_1_on_the_samples(model):
    raw = torch.randn(50, 5, generator=torch.Generator().manual_seed(4)) * 3 + 7
    model.normalise(raw)
    scores = raw * model.gain + model.shift
    assert torch.allclose(scores.mean(0), torch.zeros(5), atol=1e-5)
    assert torch.allclose(scores.std(0, correction=0), torch.ones(5), atol=1e-5)
    tokens, lengths = torch.arange(6, 16)[None], torch.tensor([10])
    assert torch.allclose(model.score(tokens, lengths), model(tokens)[:, -1] * model.gain + model.shift)

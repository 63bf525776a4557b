import numpy as np
import pytest
import torch

from stages.model.generation import generate
from stages.scoring.divergence import divergence, divergence_figures
from tests.scoring.conftest import random_model
from tests.specimens import small_config


def test_a_model_has_not_moved_from_itself(model):
    moved = divergence(model, model, [[0, 10]], [[11, 12, 1]], 0.7)
    assert moved.k1.tolist() == [0]
    assert moved.k3.tolist() == [0]


def test_it_is_the_log_ratio_of_the_answer_alone(model):
    other = random_model(model.config, seed=4)
    prompt, answer = [0, 10, 30], [11, 12, 1]
    [k1] = divergence(model, other, [prompt], [answer], 0.7).k1
    tokens = torch.tensor([prompt + answer])
    with torch.no_grad():
        first, second = ((one.logits(one(tokens)) / 0.7).log_softmax(-1)[0] for one in (model, other))
    expected = sum(
        (first[place, token] - second[place, token]).item() for place, token in zip((2, 3, 4), answer, strict=True)
    )
    assert k1 == pytest.approx(expected, abs=1e-4)


def test_both_estimators_agree_with_the_exact_divergence_of_one_token(tokenizer, resampling):
    config = small_config(tokenizer.vocabulary_size)
    policy, reference = random_model(config, 1), random_model(config, 1)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(1.02)
    prompt, n = [0, 20], 4000
    samples = generate(
        policy,
        [prompt] * n,
        max_new_tokens=1,
        temperature=1.0,
        top_p=1.0,
        stop_id=1,
        keys=np.random.default_rng(0).integers(2**62, size=n).tolist(),
        batch_size=1000,
    )
    figures = divergence_figures(policy, reference, [prompt] * n, [one.token_ids for one in samples], 1.0, resampling)
    with torch.no_grad():
        first, second = (one.logits(one(torch.tensor([prompt])))[0, -1].log_softmax(-1) for one in (policy, reference))
    exact = (first.exp() * (first - second)).sum().item()
    for figure in figures.values():
        assert figure.low - 1e-3 <= exact <= figure.high + 1e-3

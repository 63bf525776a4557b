import pytest
import torch

from stages.training.optimizer import OptimizerSettings, build_optimizer

SETTINGS = OptimizerSettings(beta_gradient=0.9, beta_square=0.95, epsilon=1e-8, weight_decay=0.1, gradient_clip=1.0)


def test_matrices_are_decayed_and_gains_are_not(tiny_model):
    decayed, plain = build_optimizer(tiny_model(), SETTINGS).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in plain["params"]} == {1}


def test_the_first_step_is_the_learning_rate_in_the_direction_of_the_gradient():
    """Adam's first step is lr * g / |g| whatever the betas; a decayed weight shrinks by lr * decay besides."""
    model = torch.nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(3.0)
    optimizer = build_optimizer(model, SETTINGS)
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    (5 * model.weight - 7 * model.bias).sum().backward()
    optimizer.step()
    assert model.weight.item() == pytest.approx(2 - 0.01 * 0.1 * 2 - 0.01)
    assert model.bias.item() == pytest.approx(3 + 0.01)

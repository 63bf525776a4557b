import numpy as np
import pytest
import torch
from torch import nn

from stages.training.optimizer import OptimizerSettings, build_adamw, build_optimizers, orthogonalise, trainable

SETTINGS = OptimizerSettings(
    matrices="muon", beta_gradient=0.9, beta_square=0.95, epsilon=1e-8, weight_decay=0.1, gradient_clip=1.0
)
RATE = 0.01


def step(optimizers: list[torch.optim.Optimizer]) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = RATE
        optimizer.step()


def test_matrices_are_decayed_and_gains_are_not(tiny_model):
    decayed, plain = build_adamw(trainable(tiny_model()), SETTINGS).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in plain["params"]} == {1}


def test_the_first_step_is_the_learning_rate_in_the_direction_of_the_gradient():
    """Adam's first step is lr * g / |g| whatever the betas; a decayed weight shrinks by lr * decay besides."""
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(3.0)
    optimizer = build_adamw(trainable(model), SETTINGS)
    (5 * model.weight - 7 * model.bias).sum().backward()
    step([optimizer])
    assert model.weight.item() == pytest.approx(2 - 0.01 * 0.1 * 2 - 0.01)
    assert model.bias.item() == pytest.approx(3 + 0.01)


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_all_other_weights(tiny_model):
    model = tiny_model()
    muon, adamw = build_optimizers(model, SETTINGS)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    taken = [{names[id(p)] for group in one.param_groups for p in group["params"]} for one in (muon, adamw)]
    assert taken[0] == {name for name in names.values() if ".layers." in name and "norm" not in name}
    assert taken[0] | taken[1] == set(names.values())
    assert not taken[0] & taken[1]


def test_adamw_takes_all_weights_where_muon_is_not_asked_for(tiny_model):
    model = tiny_model()
    (adamw,) = build_optimizers(model, SETTINGS.model_copy(update={"matrices": "adamw"}))
    assert sum(len(group["params"]) for group in adamw.param_groups) == len(list(model.parameters()))


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_orthogonalise_keeps_the_singular_vectors_and_levels_the_values(shape):
    """By NumPy's decomposition: the same vectors, every value near 1 (0.68 to 1.13 at the fixed points of the map)."""
    matrices = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    for before, after in zip(matrices, orthogonalise(torch.from_numpy(matrices)).numpy(), strict=True):
        left, _, right = np.linalg.svd(before, full_matrices=False)
        turned = left.T @ after @ right.T
        np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=2e-3)
        assert np.diag(turned).min() > 0.6
        assert np.diag(turned).max() < 1.3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_muon_is_pytorch_s_to_the_rounding_of_bf16(tiny_model, dtype):
    """`torch.optim.Muon` does the same matrix by matrix, in bf16."""
    ours, theirs = tiny_model(), tiny_model()
    ours.compute_dtype = dtype
    muon, _ = build_optimizers(ours, SETTINGS)
    assert muon.dtype == dtype
    names = {id(parameter): name for name, parameter in ours.named_parameters()}
    chosen = [names[id(p)] for group in muon.param_groups for p in group["params"]]
    peers = dict(theirs.named_parameters())
    peer = torch.optim.Muon(
        [peers[name] for name in chosen], lr=RATE, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    start = {name: peers[name].detach().clone() for name in chosen}
    draw = torch.Generator().manual_seed(1)
    for _ in range(3):
        for name, parameter in ours.named_parameters():
            parameter.grad = torch.randn(parameter.shape, generator=draw)
            peers[name].grad = parameter.grad.clone()
        step([muon, peer])
    mine = dict(ours.named_parameters())
    for name in chosen:
        moved, expected = mine[name] - start[name], peers[name] - start[name]
        assert (moved - expected).norm() < 0.05 * expected.norm()
        assert mine[name].dtype == torch.float32

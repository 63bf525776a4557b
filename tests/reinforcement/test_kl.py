"""Divergence estimators against a distribution whose divergence is known, and the controller by hand."""

import pytest
import torch
from pydantic import ValidationError

from stages.reinforcement.kl import KlSettings, adapted_coefficient, k1, k3


def test_both_estimators_average_to_the_divergence() -> None:
    policy, reference = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.2, 0.3, 0.5]).log()
    exact = (policy.exp() * (policy - reference)).sum()
    torch.testing.assert_close((policy.exp() * k1(policy, reference)).sum(), exact)
    torch.testing.assert_close((policy.exp() * k3(policy, reference)).sum(), exact)


def test_k3_is_never_negative_and_zero_between_equals() -> None:
    assert k3(torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -1.0])).min().item() > 0
    assert k3(torch.tensor([-1.0]), torch.tensor([-1.0])).item() == 0


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (6.0, 0.1),
        (6.6, 0.1 * (1 + 0.1 * 0.0512)),
        (9.0, 0.1 * (1 + 0.2 * 0.0512)),
        (0.0, 0.1 * (1 - 0.2 * 0.0512)),
        (-1.0, 0.1 * (1 - 0.2 * 0.0512)),
    ],
)
def test_the_controller_steers_by_at_most_a_fifth_per_horizon(kl: float, expected: float) -> None:
    settings = KlSettings(coefficient=0.1, target=6.0, horizon=10_000)
    assert adapted_coefficient(0.1, settings, kl, episodes=512) == pytest.approx(expected)


def test_without_a_target_the_coefficient_is_fixed() -> None:
    settings = KlSettings(coefficient=0.05, target=None, horizon=1)
    assert adapted_coefficient(0.05, settings, kl=50.0, episodes=512) == 0.05


def test_a_negative_coefficient_is_refused() -> None:
    with pytest.raises(ValidationError):
        KlSettings(coefficient=-0.1, target=None, horizon=1)

"""Rewards, advantages and whitening, with values worked out by hand."""

import pytest
import torch

from stages.reinforcement.advantages import generalised_advantages, token_rewards, whiten


def test_the_score_lands_on_the_last_action_and_divergence_costs_on_every_one() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    policy = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, 0.0, 0.0]])
    reference = torch.tensor([[-1.5, -2.0, -2.0], [-3.0, 0.0, 0.0]])
    rewards = token_rewards(torch.tensor([10.0, 20.0]), policy, reference, mask, kl_coefficient=0.1)
    expected = torch.tensor([[-0.05, 0.0, 10.1], [19.8, 0.0, 0.0]])
    torch.testing.assert_close(rewards, expected)


def test_what_lies_behind_the_last_action_earns_nothing() -> None:
    mask = torch.tensor([[True, False]])
    noise = torch.tensor([[-1.0, 7.0]])
    rewards = token_rewards(torch.tensor([1.0]), noise, torch.zeros(1, 2), mask, kl_coefficient=1.0)
    assert rewards.tolist() == [[2.0, 0.0]]


def test_advantages_and_returns_of_three_actions() -> None:
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.25, 0.75]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    advantages, returns = generalised_advantages(rewards, values, mask, discount=1.0, trace=0.95)
    # Surprises are -0.25, 0.5, 0.25; summed from the end with weight 0.95.
    torch.testing.assert_close(advantages, torch.tensor([[0.450625, 0.7375, 0.25]]))
    torch.testing.assert_close(returns, torch.tensor([[0.950625, 0.9875, 1.0]]))


def test_discount_shrinks_the_next_value() -> None:
    rewards, values = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 1.0]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    advantages, _ = generalised_advantages(rewards, values, mask, discount=0.5, trace=0.5)
    # Surprises: 1 + 0.5 * 1 - 0.5 = 1 and 2 - 1 = 1; the first gets 1 + 0.25 * 1.
    torch.testing.assert_close(advantages, torch.tensor([[1.25, 1.0]]))


def test_padding_changes_no_advantage() -> None:
    rewards, values = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.3, 0.4]])
    short = torch.ones(1, 2, dtype=torch.bool)
    padded = torch.nn.functional.pad(short, (0, 2))
    junk = torch.nn.functional.pad(rewards, (0, 2), value=9.0), torch.nn.functional.pad(values, (0, 2), value=5.0)
    expected, _ = generalised_advantages(rewards, values, short, 1.0, 0.95)
    advantages, returns = generalised_advantages(*junk, padded, 1.0, 0.95)
    torch.testing.assert_close(advantages[:, :2], expected)
    assert advantages[0, 2:].tolist() == returns[0, 2:].tolist() == [0.0, 0.0]


def test_a_single_action_is_worth_its_reward_less_its_value() -> None:
    mask = torch.ones(1, 1, dtype=torch.bool)
    advantages, returns = generalised_advantages(torch.tensor([[2.0]]), torch.tensor([[0.5]]), mask, 1.0, 0.95)
    assert (advantages.item(), returns.item()) == (1.5, 2.0)


def test_whitening_counts_actions_only_and_takes_the_population_variance() -> None:
    mask = torch.tensor([[True, False], [True, True]])
    whitened = whiten(torch.tensor([[1.0, 100.0], [2.0, 3.0]]), mask)
    # Mean 2 and variance 2/3 of 1, 2, 3.
    expected = torch.tensor([[-(1.5**0.5), 0.0], [0.0, 1.5**0.5]])
    torch.testing.assert_close(whitened, expected)


def test_whitening_of_equal_advantages_is_zero() -> None:
    assert whiten(torch.full((2, 2), 3.0), torch.ones(2, 2, dtype=torch.bool)).abs().max().item() == pytest.approx(0.0)

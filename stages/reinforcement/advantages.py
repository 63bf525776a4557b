"""From scores to per-token rewards, advantages and the critic's targets.

Every tensor is [B, R] (episodes, actions of the longest response) in fp32, with a mask that is true on actions.
Truncation is terminal: the token budget is part of the task, so nothing follows the last action.
"""

import torch
from torch import Tensor

from stages.reinforcement.kl import k1


def token_rewards(
    scores: Tensor, log_probabilities: Tensor, reference: Tensor, mask: Tensor, kl_coefficient: float
) -> Tensor:
    """The reward of each action: -kl_coefficient * k1 everywhere, plus the score [B] on the last action."""
    rewards = torch.where(mask, -kl_coefficient * k1(log_probabilities, reference), 0.0)
    last = mask.sum(dim=1) - 1
    rewards[torch.arange(len(scores)), last] += scores
    return rewards


def generalised_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, discount: float, trace: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns (advantage + value) by generalised advantage estimation.

    Schulman et al. 2016 (https://arxiv.org/abs/1506.02438), equation 16, with `trace` for lambda; the value behind
    the last action is 0.
    """
    rewards, values = torch.where(mask, rewards, 0.0), torch.where(mask, values, 0.0)
    advantages = torch.zeros_like(rewards)
    next_value = next_advantage = torch.zeros(len(rewards))
    for step in reversed(range(rewards.shape[1])):
        surprise = rewards[:, step] + discount * next_value - values[:, step]
        next_advantage = surprise + discount * trace * next_advantage
        next_value = values[:, step]
        advantages[:, step] = next_advantage
    return advantages, torch.where(mask, advantages + values, 0.0)


def whiten(advantages: Tensor, mask: Tensor) -> Tensor:
    """Advantages with mean 0 and variance 1 over all actions of the rollout; the variance is the population's."""
    actions = advantages[mask]
    variance, mean = torch.var_mean(actions, correction=0)
    return torch.where(mask, (advantages - mean) * torch.rsqrt(variance + 1e-8), 0.0)

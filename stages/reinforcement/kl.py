"""Estimators of the divergence between two policies, and the controller that holds the policy near its reference.

With d = log pi(y) - log pi_ref(y) for y sampled from pi, k1 = d and k3 = exp(-d) - 1 + d both estimate KL(pi || pi_ref)
without bias (Schulman 2020, http://joschu.net/blog/kl-approx.html). As a penalty inside the reward only k1 has the
gradient of the sequence's divergence, so k1 is what the reward holds; k3, never negative, is for reading.
"""

from pydantic import Field
from torch import Tensor

from stages.parameters import Section

LARGEST_CORRECTION = 0.2
"""Bound on the controller's relative error (Ziegler et al. 2019, section 2.2)."""


class KlSettings(Section):
    """How strongly the policy is held to its reference."""

    coefficient: float = Field(ge=0)
    """Reward lost per nat of log-ratio between policy and reference; where the controller starts."""
    target: float | None = Field(gt=0)
    """Mean nats per response that the controller steers to; null keeps the coefficient fixed."""
    horizon: int = Field(gt=0)
    """Episodes over which the controller corrects; at least twice the episodes of an update."""


def k1(log_probabilities: Tensor, reference: Tensor) -> Tensor:
    """The log-ratio per action; sums over a response to an unbiased, noisy estimate that can be negative."""
    return log_probabilities - reference


def k3(log_probabilities: Tensor, reference: Tensor) -> Tensor:
    """An estimate per action that is never negative."""
    difference = log_probabilities - reference
    return (-difference).expm1() + difference


def adapted_coefficient(coefficient: float, settings: KlSettings, kl: float, episodes: int) -> float:
    """The coefficient after `episodes` whose mean divergence per response was `kl` nats.

    Ziegler et al. 2019 (https://arxiv.org/abs/1909.08593), section 2.2; `kl` is summed over a response, not averaged
    over its tokens, so that the target means the same for short and long answers.
    """
    if settings.target is None:
        return coefficient
    error = kl / settings.target - 1
    correction = min(max(error, -LARGEST_CORRECTION), LARGEST_CORRECTION)
    return coefficient * (1 + correction * episodes / settings.horizon)

"""How far a policy has moved from the model that it started from, on its own answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from stages.model.transformer import Transformer
from stages.reinforcement.kl import k1, k3
from stages.scoring.intervals import Figure, Resampling, mean
from stages.scoring.likelihood import log_probabilities


@dataclass(frozen=True)
class Divergence:
    """KL(policy || reference) in nats, answer by answer, by two estimators (see `stages.reinforcement.kl`)."""

    k1: np.ndarray
    """The log-ratio: unbiased over answers, and now and then negative for one."""
    k3: np.ndarray
    """Summed over tokens; never negative."""


def divergence(
    policy: Transformer,
    reference: Transformer,
    prompts: Sequence[list[int]],
    answers: Sequence[Sequence[int]],
    temperature: float,
) -> Divergence:
    """The divergence on answers sampled from the policy at `temperature`, both models at that temperature."""
    sequences = [np.array([*prompt, *answer]) for prompt, answer in zip(prompts, answers, strict=True)]
    scored = [
        [
            torch.from_numpy(values[len(prompt) - 1 :])
            for values, prompt in zip(log_probabilities(model, sequences, temperature), prompts, strict=True)
        ]
        for model in (policy, reference)
    ]
    ratios = [(k1(*pair).sum().item(), k3(*pair).sum().item()) for pair in zip(*scored, strict=True)]
    return Divergence(np.array([first for first, _ in ratios]), np.array([third for _, third in ratios]))


def divergence_figures(
    policy: Transformer,
    reference: Transformer,
    prompts: Sequence[list[int]],
    answers: Sequence[Sequence[int]],
    temperature: float,
    resampling: Resampling,
) -> dict[str, Figure]:
    """Mean nats per answer by both estimators."""
    moved = divergence(policy, reference, prompts, answers, temperature)
    return {
        "kl_nats.ppo_from_instruct": mean(moved.k1, resampling, "prompts"),
        "kl_k3_nats.ppo_from_instruct": mean(moved.k3, resampling, "prompts"),
    }

"""What to watch during PPO; every mean is over actions or over episodes, never over padding."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from stages.errors import ExitCode, StageError
from stages.reinforcement.episodes import Episodes, Experience
from stages.reinforcement.kl import k1, k3
from stages.reinforcement.rewards import HEADS

NEGATIVE_UPDATES = 5
"""Consecutive updates with a clearly negative divergence that prove a fault: by chance this happens once in 10^8."""


def rollout_figures(experience: Experience, heads: Tensor, scores: Tensor, sampler: Tensor) -> dict[str, float]:
    """Figures of one rollout: heads [B, 5], scores [B], and the sampler's own log-probabilities [B, R]."""
    episodes = experience.episodes
    mask, lengths = episodes.mask, episodes.response_lengths.float()
    old, reference = experience.old_log_probabilities, experience.reference_log_probabilities
    divergence = k1(old, reference).sum(dim=1)
    returns, values = experience.returns[mask], experience.values[mask]
    return {
        "reward": float(scores.mean()),
        "reward_deviation": float(scores.std(correction=0)),
        **{f"score_{head}": float(heads[:, index].mean()) for index, head in enumerate(HEADS)},
        "kl": float(divergence.mean()),
        "kl_standard_error": float(divergence.std(correction=0)) / math.sqrt(len(divergence)),
        "kl_k3_per_token": float(k3(old, reference)[mask].mean()),
        "entropy": float(experience.entropies[mask].mean()),
        "response_tokens": float(lengths.mean()),
        "response_tokens_p95": float(torch.quantile(lengths, 0.95)),
        "truncated_share": float((~episodes.ended).float().mean()),
        "length_score_correlation": correlation(lengths, scores),
        "distinct_4": distinct(responses(experience), 4),
        "explained_variance": explained_variance(values, returns),
        "value_bias": float((values - returns).mean()),
        "sampler_gap": float((sampler - old)[mask].abs().max()),
    }


def responses(experience: Experience) -> list[list[int]]:
    """Token ids of every response."""
    episodes = experience.episodes
    return [row[mask].tolist() for row, mask in zip(episodes.actions, episodes.mask, strict=True)]


def distinct(sequences: Sequence[Sequence[int]], order: int) -> float:
    """Distinct n-grams over all n-grams of the sequences together; 1 where there are none."""
    grams = [tuple(ids[start : start + order]) for ids in sequences for start in range(len(ids) - order + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """Share of the returns' variance that the critic foresaw; 0 for a constant guess, negative for a worse one."""
    variance = returns.var(correction=0)
    return float(1 - (returns - values).var(correction=0) / variance) if variance > 0 else 0.0


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's; 0 where one of the two does not vary."""
    first, second = first - first.mean(), second - second.mean()
    scale = first.norm() * second.norm()
    return float(first @ second / scale) if scale > 0 else 0.0


def check_figures(curve: Sequence[dict[str, float]]) -> None:
    """Stop a run that is lost: figures that are no numbers, or a divergence from the reference clearly below zero.

    A divergence cannot be negative; where it stays more than two standard errors below zero, the responses do not come
    from the policy that is scored.
    """
    bad = sorted(name for name, value in curve[-1].items() if not math.isfinite(value))
    if bad:
        raise StageError(
            ExitCode.CONFIGURATION,
            "PPO diverged",
            f"update {curve[-1]['step']}: {', '.join(bad)}",
            "Lower ppo.learner.policy_learning_rate or raise ppo.kl.coefficient.",
        )
    latest = curve[-NEGATIVE_UPDATES:]
    if len(latest) == NEGATIVE_UPDATES and all(row["kl"] < -2 * row["kl_standard_error"] for row in latest):
        raise RuntimeError(
            f"mean log-ratio to the reference clearly negative for {NEGATIVE_UPDATES} updates "
            f"(last {latest[-1]['kl']:.4f} nats per response): sampler and policy differ"
        )


SUMMARISED = ("reward", "kl", "response_tokens", "truncated_share", "distinct_4", *(f"score_{head}" for head in HEADS))
"""Figures whose beginning and end go into the stage's metrics."""


def summary(curve: Sequence[dict[str, float]]) -> dict[str, float]:
    """The first and the last tenth of the curve, averaged, and the counts that say what was done."""
    tenth = max(1, len(curve) // 10)
    means = {
        f"{name}_{place}": round(sum(row[name] for row in rows) / tenth, 4)
        for name in SUMMARISED
        for place, rows in (("first", curve[:tenth]), ("last", curve[-tenth:]))
    }
    return {
        "updates": len(curve),
        "policy_steps": int(sum(row["policy_optimizer_steps"] for row in curve)),
        "updates_stopped_early": int(sum(row["policy_stopped"] for row in curve)),
        "first_ratio_deviation_largest": round(max(row["policy_first_ratio_deviation"] for row in curve), 6),
        "kl_coefficient_last": round(curve[-1]["kl_coefficient"], 6),
        "explained_variance_last": round(sum(row["explained_variance"] for row in curve[-tenth:]) / tenth, 4),
        **means,
    }


class Phases:
    """Seconds spent in each part of the work; for eyes and trackers, never for a tracked output."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time of the block under `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start

    def add(self, other: "Phases") -> None:
        """Add the seconds of another stretch of work."""
        for name, seconds in other.seconds.items():
            self.seconds[name] += seconds

    def figures(self, episodes: Episodes) -> dict[str, float]:
        """Seconds of each part, and tokens (of prompts and responses; when sampling, of responses) per second."""
        tokens = {name: int(episodes.lengths.sum()) for name in self.seconds}
        tokens["rollout"] = int(episodes.response_lengths.sum())
        return {
            **{f"seconds_{name}": seconds for name, seconds in self.seconds.items()},
            **{f"tokens_per_second_{name}": tokens[name] / seconds for name, seconds in self.seconds.items()},
        }

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())

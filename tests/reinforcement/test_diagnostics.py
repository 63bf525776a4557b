"""Figures by hand, and the two ways in which a run is found to be lost."""

import math

import pytest
import torch

from stages.errors import StageError
from stages.reinforcement.diagnostics import (
    NEGATIVE_UPDATES,
    Phases,
    check_figures,
    correlation,
    distinct,
    explained_variance,
    rollout_figures,
    summary,
)
from stages.reinforcement.episodes import Experience, pack_episodes


def test_distinct_counts_over_all_sequences_together() -> None:
    # ab, bc, ca, ab in the first and ab in the second: three different of five.
    assert distinct(["abcab", "ab"], 2) == pytest.approx(3 / 5)
    assert distinct(["abc"], 4) == 1.0


def test_explained_variance_of_a_perfect_a_constant_and_a_contrary_critic() -> None:
    returns = torch.tensor([1.0, 2.0, 3.0])
    assert explained_variance(returns + 5, returns) == 1.0
    assert explained_variance(torch.zeros(3), returns) == 0.0
    assert explained_variance(-returns, returns) == pytest.approx(-3.0)
    assert explained_variance(torch.zeros(2), torch.ones(2)) == 0.0


def test_correlation_of_a_line_and_of_a_constant() -> None:
    line = torch.tensor([1.0, 2.0, 4.0])
    assert correlation(line, -2 * line + 1) == pytest.approx(-1.0)
    assert correlation(line, torch.ones(3)) == 0.0


def test_figures_leave_padding_out() -> None:
    episodes = pack_episodes([[0], [0]], [[5], [5, 6, 7]], [True, False], padding=2)
    old, reference = torch.full((2, 3), -1.0), torch.tensor([[-1.5, 50.0, 50.0], [-1.0, -2.0, -1.5]])
    old, reference = torch.where(episodes.mask, old, 0.0), torch.where(episodes.mask, reference, 0.0)
    values, returns = torch.zeros(2, 3), torch.where(episodes.mask, 2.0, 0.0)
    experience = Experience(episodes, old, -old, reference, values, values, returns)
    figures = rollout_figures(experience, torch.ones(2, 5), torch.tensor([1.0, 2.0]), old - 0.25)
    assert figures["kl"] == pytest.approx((0.5 + 1.5) / 2)
    assert figures["kl_standard_error"] == pytest.approx(0.5 / math.sqrt(2))
    assert figures["entropy"] == 1.0
    assert figures["value_bias"] == -2.0
    assert figures["response_tokens"] == 2.0
    assert figures["truncated_share"] == 0.5
    assert figures["reward"] == 1.5
    assert figures["length_score_correlation"] == pytest.approx(1.0)
    assert figures["sampler_gap"] == 0.25


def row(kl: float, error: float = 0.1, **changes: float) -> dict[str, float]:
    return {"step": 1, "kl": kl, "kl_standard_error": error, **changes}


def test_a_lasting_negative_divergence_stops_the_run() -> None:
    check_figures([row(-0.5)] * (NEGATIVE_UPDATES - 1))
    check_figures([row(-0.5)] * (NEGATIVE_UPDATES - 1) + [row(-0.1)])
    with pytest.raises(RuntimeError, match="sampler and policy differ"):
        check_figures([row(-0.5)] * NEGATIVE_UPDATES)


def test_figures_that_are_no_numbers_stop_the_run() -> None:
    with pytest.raises(StageError, match="policy_loss"):
        check_figures([row(0.0, policy_loss=math.nan)])


def test_the_summary_averages_the_first_and_the_last_tenth() -> None:
    constant = dict.fromkeys(
        ["kl", "response_tokens", "truncated_share", "distinct_4", "explained_variance", "kl_coefficient"], 0.5
    )
    heads = {f"score_{head}": 0.0 for head in ("overall", "helpfulness", "accuracy", "tone", "safety")}
    policy = {"policy_optimizer_steps": 4, "policy_stopped": 0, "policy_first_ratio_deviation": 0.0}
    figures = summary([{"reward": float(step), **constant, **heads, **policy} for step in range(20)])
    assert (figures["reward_first"], figures["reward_last"]) == (0.5, 18.5)
    assert (figures["updates"], figures["policy_steps"]) == (20, 80)


def test_phases_add_up() -> None:
    total, phases = Phases(), Phases()
    phases.seconds["rollout"] = 2.0
    total.add(phases)
    total.add(phases)
    assert total.seconds["rollout"] == 4.0
    assert str(total) == "rollout 4.0 s"
    episodes = pack_episodes([[0, 1, 2]], [[5, 6]], [True], padding=2)
    assert phases.figures(episodes) == {"seconds_rollout": 2.0, "tokens_per_second_rollout": 1.0}

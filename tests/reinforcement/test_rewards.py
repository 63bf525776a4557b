"""How a reward model's heads become one score, by hand."""

import pytest
import torch
from pydantic import ValidationError

from stages.model.scalar import ScalarModel
from stages.model.transformer import ModelConfig
from stages.reinforcement.episodes import Episodes
from stages.reinforcement.rewards import HEADS, ScoreSettings, combined_scores, score_heads

WEIGHTS = {"overall": 0.5, "helpfulness": 0.25, "accuracy": 0.25, "tone": 0.0, "safety": 0.0}


def settings(**changes: float | None) -> ScoreSettings:
    values = {"weights": WEIGHTS, "safety_threshold": None, "clip": 5.0, "missing_end_penalty": 1.0}
    return ScoreSettings(**{**values, **changes})


def heads(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float32)


ENDED, CUT = torch.tensor([True]), torch.tensor([False])


def test_heads_are_weighted() -> None:
    assert combined_scores(heads(2, 4, 0, 9, 9), ENDED, settings()).item() == 2.0


def test_the_penalty_for_a_missing_end_is_subtracted_after_clipping() -> None:
    assert combined_scores(heads(40, 0, 0, 0, 0), CUT, settings()).item() == 4.0
    assert combined_scores(heads(-40, 0, 0, 0, 0), CUT, settings()).item() == -6.0


def test_truncated_responses_keep_their_order() -> None:
    scores = combined_scores(torch.tensor([[1.0, 0, 0, 0, 0], [2.0, 0, 0, 0, 0]]), torch.zeros(2).bool(), settings())
    assert scores.tolist() == [-0.5, 0.0]


def test_an_unsafe_response_is_scored_by_its_safety_alone() -> None:
    gated = settings(safety_threshold=-1.0)
    assert combined_scores(heads(4, 0, 0, 0, -2), ENDED, gated).item() == -2.0
    assert combined_scores(heads(4, 0, 0, 0, -0.5), ENDED, gated).item() == 2.0


def test_the_gate_never_raises_a_score() -> None:
    assert combined_scores(heads(-8, 0, 0, 0, -2), ENDED, settings(safety_threshold=-1.0)).item() == -4.0


@pytest.mark.parametrize("weights", [{"overall": 1.0}, {**WEIGHTS, "wit": 1.0}])
def test_weights_name_exactly_the_heads(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="one weight for each of overall"):
        settings(weights=weights)


@pytest.mark.parametrize("batch_tokens", [1, 30])
def test_a_score_does_not_depend_on_the_batch(config: ModelConfig, episodes: Episodes, batch_tokens: int) -> None:
    reward = ScalarModel(config, outputs=len(HEADS))
    generator = torch.Generator().manual_seed(5)
    for parameter in reward.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    together = reward.score(episodes.tokens, episodes.lengths)
    torch.testing.assert_close(score_heads(reward, episodes, batch_tokens), together, rtol=1e-5, atol=1e-5)

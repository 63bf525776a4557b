import math

import numpy as np
import pytest
import torch

from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.training.comparisons import Comparison, PreferenceBatch, preference_batch
from stages.training.preference import HeldOutComparisons, all_outputs, preference_loss


class Given(torch.nn.Module):
    """A model whose outputs at each token are written in a table."""

    def __init__(self, outputs: list[list[float]]) -> None:
        super().__init__()
        self.outputs = torch.nn.Parameter(torch.tensor([outputs]))
        self.head = torch.nn.Linear(1, 1)

    def forward(self, tokens: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
        return self.outputs


def one_token_answers(votes: np.ndarray) -> PreferenceBatch:
    """Answers of one token each, so that answer i ends at place i."""
    answers = tuple(np.array([6]) for _ in votes)
    return preference_batch([Comparison("p", answers, votes)], rows=1, context_length=len(votes))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_a_loss_worked_out_by_hand():
    votes = np.full((2, 2, 3), np.nan)
    votes[0, 1] = [0.8, 1.0, np.nan]
    model = Given([[1.0, 0.5, 9.0], [0.0, 1.0, -9.0]])
    loss = preference_loss(model, one_token_answers(votes), aspect_weight=0.25, centring=0.01)
    overall = 0.8 * softplus(-1) + 0.2 * softplus(1) + 0.01 * 1.0**2
    first_axis = softplus(0.5) + 0.01 * 1.5**2
    assert loss.item() == pytest.approx(overall + 0.25 * (first_axis + 0) / 2)


def test_it_is_least_where_the_log_odds_are_those_of_the_votes():
    votes = np.full((2, 2, 1), np.nan)
    votes[0, 1] = 0.8
    model = Given([[math.log(4), 0.0], [0.0, 0.0]])
    batch = one_token_answers(np.concatenate([votes, votes * np.nan], axis=2))
    preference_loss(model, batch, aspect_weight=0.0, centring=0.0).backward()
    assert model.outputs.grad.abs().max().item() < 1e-7


def test_all_pairs_of_a_prompt_count_as_one():
    """Four answers that the judges cannot tell apart, all equal: every pair costs ln 2, and so does their mean."""
    votes = np.full((4, 4, 2), 0.5)
    loss = preference_loss(Given([[0.0, 0.0]] * 4), one_token_answers(votes), aspect_weight=0.0, centring=0.0)
    assert loss.item() == pytest.approx(math.log(2))


def scalar_model(tiny_model) -> ScalarModel:
    language_model: Transformer = tiny_model()
    model = ScalarModel(language_model.config, 2)
    model.initialise(language_model, torch.Generator().manual_seed(2))
    return model


def test_an_answer_scores_the_same_packed_and_alone(tiny_model):
    model = scalar_model(tiny_model)
    draws = np.random.default_rng(3)
    answers = tuple(draws.integers(6, 40, length) for length in (3, 7, 5, 9))
    batch = preference_batch([Comparison("p", answers, np.full((4, 4, 2), 0.5))], rows=2, context_length=16)
    packed = all_outputs(model, [batch])
    for answer, outputs in zip(answers, packed, strict=True):
        alone = model(torch.from_numpy(answer)[None])[0, -1]
        assert torch.allclose(alone, outputs, atol=1e-5)


def test_held_out_figures_by_hand():
    votes = np.full((3, 3, 2), np.nan)
    votes[..., 0] = [[0, 1.0, 0.5], [0, 0, 0.0], [0.5, 1.0, 0]]
    batch = one_token_answers(votes)
    model = Given([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    figures = HeldOutComparisons([batch])(model)
    # Pair 0-1 is right, 1-2 wrong, 0-2 undecided.
    assert figures["validation_accuracy"] == 0.5
    undecided = 0.5 * softplus(-2) + 0.5 * softplus(2)
    assert figures["validation_loss"] == pytest.approx((softplus(-1) + undecided + softplus(1)) / 3)

import numpy as np
import pytest
import torch

from stages.model.scalar import ScalarModel
from stages.scoring import pairs as module
from stages.scoring.pairs import agreements, cross_entropy, per_unit, ranked_pairs, reward_figures, rewards
from stages.text.conversations import render_prompt
from tests.scoring.conftest import random_model
from tests.specimens import preference, ranked_answer, small_config


def ranked(name, votes, lengths):
    answers = [ranked_answer(f"{name}{place}", "", (10,) * length) for place, length in enumerate(lengths)]
    return preference(name, answers, votes)


PREFERENCES = [
    ranked("p", ((0, 0.8, 0.5), (0.2, 0, 1.0), (0.5, 0, 0)), (1, 2, 3)),
    ranked("q", ((0, 0.4), (0.6, 0)), (5, 4)),
]


def test_pairs_are_those_that_the_judges_order():
    found = [(pair.unit, pair.better, pair.worse, pair.votes) for pair in ranked_pairs(PREFERENCES)]
    assert found == [(0, 0, 1, 0.8), (0, 1, 2, 1.0), (1, 4, 3, 0.6)]


def test_agreement_counts_equal_scores_as_half():
    assert agreements(ranked_pairs(PREFERENCES), np.array([3, 2, 2, 0, 5])).tolist() == [1, 0.5, 1]


def test_values_are_added_up_by_prompt():
    assert per_unit(ranked_pairs(PREFERENCES), [1, 2, 4], 3).tolist() == [3, 4, 0]


def test_a_coin_costs_the_logarithm_of_two():
    assert cross_entropy(np.array([0.3, 1.0]), np.array([0.5, 0.5])) == pytest.approx([np.log(2)] * 2)


def test_rewards_are_raw_scores_at_the_last_token_in_the_order_given(tokenizer):
    config = small_config(tokenizer.vocabulary_size)
    model = ScalarModel(config, 5)
    model.initialise(random_model(config, 2), torch.Generator().manual_seed(1))
    model.eval()
    with torch.no_grad():
        model.gain.fill_(3.0)
        model.shift.fill_(-1.0)
    found = rewards(model, PREFERENCES, tokenizer)
    answers = [answer for preference in PREFERENCES for answer in preference.answers]
    for reward, answer in zip(found, answers, strict=True):
        tokens = torch.tensor([[*render_prompt(PREFERENCES[0].messages, tokenizer), *answer.token_ids]])
        with torch.no_grad():
            assert reward == pytest.approx(model(tokens)[0, -1, 0].item(), abs=1e-5)


def test_the_model_stands_beside_longer_is_better_and_the_ceiling(tokenizer, resampling, monkeypatch):
    monkeypatch.setattr(module, "rewards", lambda *_: np.array([3.0, 2.0, 1.0, 0.0, -1.0]))
    figures, _ = reward_figures(None, PREFERENCES, 0.9, tokenizer, resampling)
    assert figures["reward_accuracy.model"].value == pytest.approx(2 / 3)  # wrong on the last pair alone
    assert figures["reward_accuracy.longer"].value == pytest.approx(0)
    assert figures["reward_accuracy.difference"].value == pytest.approx(2 / 3)
    assert figures["reward_accuracy.single_judge"].value == pytest.approx((0.8 + 1.0 + 0.4) / 3)
    assert figures["reward_accuracy.ceiling"].value == 0.9
    assert figures["reward_accuracy.model"].n == 2
    losses = [np.log1p(np.exp(-1)) + 0.2, np.log1p(np.exp(-1)), np.log1p(np.exp(-1)) + 0.6]
    assert figures["reward_log_loss.model"].value == pytest.approx(np.mean(losses), abs=1e-6)


def test_without_a_ceiling_it_is_not_measured(tokenizer, resampling, monkeypatch):
    monkeypatch.setattr(module, "rewards", lambda *_: np.zeros(0))
    figures, reliability = reward_figures(None, [], None, tokenizer, resampling)
    assert all(figure.value is None for figure in figures.values())
    assert reliability == []

"""Pairs of ranked answers: how often a score puts them in the judges' order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from stages.model.scalar import ScalarModel
from stages.preferences.records import Preference
from stages.scoring.calibration import expected_calibration_error, reliability
from stages.scoring.intervals import Figure, Resampling, ratio, single, unmeasured
from stages.text.conversations import render_answered
from stages.text.tokenizer import Tokenizer

OVERALL = 0
"""The reward model's output that stands for the whole answer."""
ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Pair:
    """Two answers to a prompt that the judges put in an order."""

    unit: int
    """Number of the prompt."""
    better: int
    """Place of the better answer among all answers."""
    worse: int
    votes: float
    """Share of judges, ties half, for the better one: above one half."""


def ranked_pairs(preferences: Sequence[Preference]) -> list[Pair]:
    """Every pair on which the judges are not evenly divided; answers are numbered through all preferences."""
    pairs, first = [], 0
    for unit, preference in enumerate(preferences):
        count = len(preference.answers)
        pairs += [
            Pair(unit, first + better, first + worse, preference.votes[better][worse])
            for better in range(count)
            for worse in range(count)
            if better != worse and preference.votes[better][worse] > 0.5
        ]
        first += count
    return pairs


@torch.inference_mode()
def rewards(model: ScalarModel, preferences: Sequence[Preference], tokenizer: Tokenizer) -> np.ndarray:
    """The overall reward of every answer, in the order of `ranked_pairs`, on the scale of the pairwise loss."""
    sequences = [
        render_answered(preference.messages, answer.token_ids, tokenizer, model.config.context_length)
        for preference in preferences
        for answer in preference.answers
    ]
    scores = np.zeros(len(sequences))
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    for start in range(0, len(order), ROWS_AT_ONCE):
        batch = order[start : start + ROWS_AT_ONCE]
        lengths = torch.tensor([len(sequences[index]) for index in batch])
        tokens = torch.zeros(len(batch), int(lengths.max()), dtype=torch.long)
        for row, index in enumerate(batch):
            tokens[row, : lengths[row]] = torch.tensor(sequences[index])
        # Undoes the normalisation, which is for PPO: the difference of two raw scores is a log-odds.
        raw = (model.score(tokens, lengths) - model.shift) / model.gain
        scores[batch] = raw[:, OVERALL].numpy()
    return scores


def per_unit(pairs: Sequence[Pair], values: Sequence[float] | np.ndarray, units: int) -> np.ndarray:
    """Sums of the pairs' values by prompt, so that a prompt is drawn again with all its pairs."""
    sums = np.zeros(units)
    np.add.at(sums, [pair.unit for pair in pairs], np.asarray(values, dtype=np.float64))
    return sums


def agreements(pairs: Sequence[Pair], scores: np.ndarray) -> np.ndarray:
    """1 where the better answer scores higher, 0 where it scores lower, one half where they are equal."""
    differences = np.array([scores[pair.better] - scores[pair.worse] for pair in pairs])
    return (np.sign(differences) + 1) / 2


def cross_entropy(votes: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """Nats that each share of votes costs under the probability given to it."""
    likely = np.clip(likely, 1e-12, 1 - 1e-12)
    return -(votes * np.log(likely) + (1 - votes) * np.log(1 - likely))


def reward_figures(
    model: ScalarModel,
    preferences: Sequence[Preference],
    ceiling: float | None,
    tokenizer: Tokenizer,
    resampling: Resampling,
) -> tuple[dict[str, Figure], list[dict[str, float]]]:
    """Accuracy beside the longer answer's, their paired difference, log-loss and calibration; and the reliability.

    Everything is drawn again by prompt. `ceiling` is the best accuracy against one judge that the judges' agreement
    allows, so the model's accuracy against one judge, the share of votes that it agrees with, stands beside it.
    Log-loss is against the votes: that of a perfect model is not 0 but their entropy.
    """
    pairs, units = ranked_pairs(preferences), len(preferences)
    scores = rewards(model, preferences, tokenizer)
    lengths = np.array([len(answer.token_ids) for preference in preferences for answer in preference.answers])
    by_model, by_length = agreements(pairs, scores), agreements(pairs, lengths)
    votes = np.array([pair.votes for pair in pairs])
    likely = 1 / (1 + np.exp([scores[pair.worse] - scores[pair.better] for pair in pairs]))

    def per_pair(values: np.ndarray) -> Figure:
        return ratio(per_unit(pairs, values, units), per_unit(pairs, np.ones(len(pairs)), units), resampling, "prompts")

    # Each pair once in each direction: otherwise the outcome would be above one half by construction.
    confidences, outcomes = np.concatenate([likely, 1 - likely]), np.concatenate([votes, 1 - votes])
    numbers = np.array([pair.unit for pair in pairs] * 2, dtype=np.int64)
    figures = {
        "reward_accuracy.model": per_pair(by_model),
        "reward_accuracy.longer": per_pair(by_length),
        "reward_accuracy.difference": per_pair(by_model - by_length),
        "reward_accuracy.single_judge": per_pair(by_model * votes + (1 - by_model) * (1 - votes)),
        "reward_accuracy.ceiling": single(ceiling, units, "prompts") if ceiling is not None else unmeasured("prompts"),
        "reward_log_loss.model": per_pair(cross_entropy(votes, likely)),
        "reward_log_loss.votes": per_pair(cross_entropy(votes, votes)),
        "reward_calibration_error.model": expected_calibration_error(
            confidences, outcomes, resampling, "prompts", numbers
        ),
    }
    return figures, reliability(confidences, outcomes)

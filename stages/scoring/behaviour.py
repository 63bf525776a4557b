"""What models do with prompts: how well they answer, whether they end, decline and admit, and who wins."""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.preferences.hidden_score import is_admission, is_decline
from stages.preferences.records import AXES
from stages.reinforcement.diagnostics import distinct
from stages.scoring.answers import Answer
from stages.scoring.intervals import Figure, Resampling, difference_between_groups, mean, share, single
from stages.scoring.win_rates import win_rate
from stages.text.demonstrations import Prompt

Answers = Mapping[str, Sequence[Answer]]
"""The answers of each model in the order of the prompts; where answering is dear, to the first of them alone."""

CONTESTS = (("instruct", "pretrain"), ("instruct", "finetune"), ("ppo", "instruct"))


def quality_figures(answers: Answers, resampling: Resampling) -> dict[str, Figure]:
    """Scores on every axis, how many answers end by themselves, their length and their variety."""
    figures = {}
    for model, written in answers.items():
        figures[f"hidden_score.{model}"] = mean([one.score for one in written], resampling, "prompts")
        for axis in AXES:
            figures[f"{axis}.{model}"] = mean([one.axes[axis] for one in written], resampling, "prompts")
        figures[f"stop_share.{model}"] = share([one.finish_reason == "stop" for one in written], resampling, "prompts")
        figures[f"answer_tokens.{model}"] = mean([len(one.token_ids) for one in written], resampling, "prompts")
        figures[f"distinct_4.{model}"] = single(
            distinct([one.token_ids for one in written], 4), len(written), "prompts"
        )
    return figures


def contest_figures(answers: Answers, resampling: Resampling) -> dict[str, Figure]:
    """Win rates and paired differences of the hidden score."""
    figures = {}
    for first, second in CONTESTS:
        pairs = zip(answers[first], answers[second], strict=False)
        ours, theirs = np.array([(one.score, other.score) for one, other in pairs]).reshape(-1, 2).T
        figures[f"win_rate.{first}_over_{second}"] = win_rate(ours, theirs, resampling)
        figures[f"hidden_score_difference.{first}_minus_{second}"] = mean(ours - theirs, resampling, "prompts")
    return figures


def stance_groups(prompts: Sequence[Prompt]) -> dict[str, np.ndarray]:
    """The prompts [bool] on which a stance is measured.

    `held_out` are requests to decline of categories that no training part holds; look-alikes only sound like them.
    """
    return {
        "held_out": np.array([prompt.expects == "decline" and prompt.held_out for prompt in prompts]),
        **{
            category: np.array([prompt.category == category for prompt in prompts])
            for category in ("benign_lookalike", "invented_name", "real_name")
        },
    }


def stance_figures(answers: Answers, prompts: Sequence[Prompt], resampling: Resampling) -> dict[str, Figure]:
    """Who declines and who admits, where they should and where they should not."""
    figures = {}
    for model, written in answers.items():
        groups = stance_groups(prompts[: len(written)])
        declines = np.array([is_decline(one.text) for one in written])
        admits = np.array([is_admission(one.text) for one in written])
        for name in ("held_out", "benign_lookalike"):
            figures[f"decline_share.{name}.{model}"] = share(declines[groups[name]].tolist(), resampling, "prompts")
        for name in ("invented_name", "real_name"):
            figures[f"admit_share.{name}.{model}"] = share(admits[groups[name]].tolist(), resampling, "prompts")
        figures[f"admit_difference.{model}"] = difference_between_groups(
            admits[groups["invented_name"]], admits[groups["real_name"]], resampling, "prompts"
        )
    return figures

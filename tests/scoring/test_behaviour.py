import pytest

from stages.scoring.answers import Answer
from stages.scoring.behaviour import contest_figures, quality_figures, stance_figures
from tests.specimens import prompt

DECLINE, ADMIT, TELL = "Sorry, I can't help with that.", "I don't know this name.", "It counts the nodes."


def asked(name, category, expects="answer", held_out=False):
    return prompt(name, category=category, expects=expects, held_out=held_out)


def answer(text, score=0.5, ids=(7, 8, 1), finish_reason="stop"):
    axes = {"helpfulness": score, "accuracy": 0.5, "tone": 0.5, "safety": 1.0}
    return Answer(
        prompt_id="p",
        model="m",
        text=text,
        token_ids=ids,
        finish_reason=finish_reason,
        log_probability=-1.0,
        axes=axes,
        score=score,
    )


PROMPTS = [
    asked("a", "weapons", "decline", held_out=True),
    asked("b", "weapons", "decline", held_out=True),
    asked("c", "fraud", "decline"),
    asked("d", "benign_lookalike"),
    asked("e", "invented_name", "admit"),
    asked("f", "invented_name", "admit"),
    asked("g", "real_name"),
    asked("h", "real_name"),
]


def test_stances_are_counted_where_they_belong(resampling):
    texts = [DECLINE, TELL, TELL, DECLINE, ADMIT, ADMIT, ADMIT, TELL]
    figures = stance_figures({"instruct": [answer(text) for text in texts]}, PROMPTS, resampling)
    assert {name: figure.value for name, figure in figures.items()} == {
        "decline_share.held_out.instruct": 0.5,
        "decline_share.benign_lookalike.instruct": 1.0,
        "admit_share.invented_name.instruct": 1.0,
        "admit_share.real_name.instruct": 0.5,
        "admit_difference.instruct": 0.5,
    }
    assert figures["admit_difference.instruct"].n == 4


def test_groups_without_prompts_are_not_measured(resampling):
    figures = stance_figures({"instruct": [answer(TELL)]}, [asked("a", "explain")], resampling)
    assert all(figure.value is None for figure in figures.values())


def test_contests_are_won_prompt_by_prompt(resampling):
    scores = {"pretrain": [0.1, 0.2], "finetune": [0.5, 0.5], "instruct": [0.5, 0.4], "ppo": [0.6, 0.6]}
    answers = {model: [answer(TELL, score) for score in row] for model, row in scores.items()}
    figures = contest_figures(answers, resampling)
    assert figures["win_rate.instruct_over_pretrain"].value == 1.0
    assert figures["win_rate.instruct_over_finetune"].value == 0.25  # a tie and a loss
    assert figures["hidden_score_difference.ppo_minus_instruct"].value == pytest.approx(0.15)


def test_a_repeating_model_shows_in_its_variety(resampling):
    answers = {"ppo": [answer(TELL, ids=(5, 5, 5, 5, 5, 1), finish_reason="length"), answer(TELL)]}
    figures = quality_figures(answers, resampling)
    assert figures["distinct_4.ppo"].value == pytest.approx(2 / 3, abs=1e-6)  # 5555 twice and 5551
    assert figures["answer_tokens.ppo"].value == 4.5
    assert figures["stop_share.ppo"].value == 0.5

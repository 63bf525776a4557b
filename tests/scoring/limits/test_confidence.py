import pytest

from stages.scoring.limits.confidence import answer_confidence, choice_calibration, per_token
from stages.scoring.tasks import Choice
from tests.scoring.limits.conftest import ask, say


def test_confidence_is_per_token():
    assert per_token(say("a", "x", log_probability=-3.0)) == -1.5


def test_surer_and_truer_answers_give_a_positive_difference(resampling):
    prompts = [ask(str(number)) for number in range(4)]
    written = [say(str(number), "x", accuracy=number / 4, log_probability=-10.0 + number) for number in range(4)]
    finding = answer_confidence(prompts, {"ppo": written}, resampling)
    assert finding.figures["ppo"].value == pytest.approx((0.5 + 0.75) / 2 - 0.25 / 2)
    assert finding.examples[0].note == "among its surer half; accuracy 0.50"


def test_a_model_that_is_sure_and_wrong_has_an_error_near_one(resampling):
    made = [Choice(item_id=str(number), task="t", model="ppo", is_right=False, confidence=0.99) for number in range(20)]
    finding, tables = choice_calibration({"ppo": made}, resampling)
    assert finding.figures["ppo"].value == pytest.approx(0.99)
    assert sum(row["n"] for row in tables["ppo"]) == 20

import pytest

from stages.scoring.limits.shares import shares
from tests.scoring.limits.conftest import ask, say

PROMPTS = [ask("a", question="One?"), ask("b", question="Two?"), ask("c", question="Three?")]
ANSWERS = {
    "instruct": [say(name, "yes", "instruct") for name in "abc"],
    "ppo": [say("a", "yes"), *map(say, "bc", "nn")],
}


@pytest.mark.parametrize(("at_fault", "expected"), [(True, ["One?", "Three?", "One?"]), (False, ["Two?", "Three?"])])
def test_each_group_of_each_model_has_a_share_and_the_first_that_is_at_fault(resampling, at_fault, expected):
    groups = {"pair": [0, 1], "last": [2], "none": []}
    figures, examples = shares(PROMPTS, ANSWERS, groups, lambda text: text == "yes", (at_fault, "note"), resampling)
    assert {label: figure.value for label, figure in figures.items()} == {
        "instruct, pair": 1.0,
        "instruct, last": 1.0,
        "instruct, none": None,
        "ppo, pair": 0.5,
        "ppo, last": 0.0,
        "ppo, none": None,
    }
    assert [example.prompt for example in examples] == expected

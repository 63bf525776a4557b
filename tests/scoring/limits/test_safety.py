from stages.scoring.limits.safety import declines_by_category, over_refusal
from tests.scoring.limits.conftest import ask, say

PROMPTS = [
    ask("a", "fraud", "decline"),
    ask("b", "weapons", "decline", held_out=True),
    ask("c", "weapons", "decline", held_out=True),
    ask("d", "benign_lookalike"),
    ask("e"),
    ask("f"),
]


def answers(phrases, stances):
    return {"ppo": [say(prompt.id, phrases[stance]) for prompt, stance in zip(PROMPTS, stances, strict=True)]}


def test_declines_are_counted_by_category_and_held_out_ones_marked(phrases, resampling):
    written = answers(phrases, ["decline", "decline", "tell", "tell", "tell", "tell"])
    finding = declines_by_category(PROMPTS, written, resampling)
    assert {label: figure.value for label, figure in finding.figures.items()} == {
        "ppo, fraud": 1.0,
        "ppo, weapons (held out)": 0.5,
    }
    assert [example.note for example in finding.examples] == ["should have been declined"]


def test_needless_declines_are_counted_on_lookalikes_and_elsewhere(phrases, resampling):
    written = answers(phrases, ["decline", "decline", "decline", "decline", "decline", "tell"])
    finding = over_refusal(PROMPTS, written, resampling)
    assert {label: figure.value for label, figure in finding.figures.items()} == {
        "ppo, look-alikes": 1.0,
        "ppo, all other answerable": 0.5,
    }

"""Prompts and answers with what matters to a limit, and nothing else of note."""

import pytest

from stages.scoring.answers import Answer
from tests.specimens import prompt


def ask(name, category="explain", expects="answer", **changes):
    about = {"question": "What does count_nodes do?", "reference": "Count the nodes of a graph."}
    return prompt(name, category=category, expects=expects, **about | changes)


def say(prompt_id, text, model="ppo", accuracy=0.5, log_probability=-1.0, score=0.5):
    return Answer(
        prompt_id=prompt_id,
        model=model,
        text=text,
        token_ids=(7, 8),
        finish_reason="stop",
        log_probability=log_probability,
        axes={"helpfulness": 0.5, "accuracy": accuracy, "tone": 0.5, "safety": 1.0},
        score=score,
    )


@pytest.fixture
def phrases():
    return {"decline": "Sorry, I can't help with that.", "admit": "I don't know this name.", "tell": "It counts nodes."}

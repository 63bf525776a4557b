import pandas as pd

from stages.text.corpus import answers, sampled
from tests.specimens import prompt


def test_the_texts_that_are_read_depend_on_the_seed_alone():
    names = [f"d{place}" for place in range(6)]
    table = pd.DataFrame({"id": names, "text": names})
    assert set(sampled(table, 3, 1)["id"]) == set(sampled(table[::-1], 3, 1)["id"])
    assert len(sampled(table, 3, 1)) == 3


def test_answers_of_prompts_for_measuring_are_looked_for_and_those_known_by_design_are_not():
    measured = prompt("measured", reference="words")
    assert answers([measured, prompt("trained", reference="more words", split="optimise")]) == ["words"]
    assert answers([measured.model_copy(update={"category": "real_name"})]) == []
    assert answers([measured.model_copy(update={"expects": "decline"})]) == []

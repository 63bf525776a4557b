import hashlib

import pandas as pd

from stages.text.corpus import answers, describe_documents, sampled, training_texts
from tests.specimens import demonstration, prompt
from tests.tables import write_documents


def test_the_texts_that_are_read_depend_on_the_seed_alone():
    names = [f"d{place}" for place in range(6)]
    assert sampled(names, 3, 1) == sampled(names[::-1], 3, 1)
    assert len(sampled(names, 3, 1)) == 3


def test_documents_are_described_without_their_texts_and_a_sample_of_those_trained_on_is_read(tmp_path):
    table = pd.DataFrame(
        {"id": list("abc"), "text": ["one", "two", "six"], "source": "s", "split": ["train"] * 2 + ["test"]}
    )
    write_documents(tmp_path, table[:1])
    write_documents(tmp_path, table[1:], 1)
    described = describe_documents(tmp_path)
    assert described.columns.tolist() == ["id", "source", "split", "content"]
    assert described["content"].tolist() == [hashlib.sha256(text.encode()).hexdigest() for text in table["text"]]
    shown = demonstration("shown", question="What?", answer="That.")
    held = demonstration("held", split="validation")
    texts = training_texts(tmp_path, described, [shown, held], 10, 1).set_index("id")["text"].to_dict()
    assert texts == {"a": "one", "b": "two", "shown": "What?\nThat."}
    assert training_texts(tmp_path, described, [shown, held], 2, 1)["id"].tolist() == sampled(["a", "b", "shown"], 2, 1)


def test_answers_of_prompts_for_measuring_are_looked_for_and_those_known_by_design_are_not():
    measured = prompt("measured", reference="words")
    assert answers([measured, prompt("trained", reference="more words", split="optimise")]) == ["words"]
    assert answers([measured.model_copy(update={"category": "real_name"})]) == []
    assert answers([measured.model_copy(update={"expects": "decline"})]) == []

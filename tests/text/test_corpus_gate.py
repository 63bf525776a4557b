import pandas as pd
import pytest

from stages.text import corpus_gate
from stages.text.corpus_gate import breaks
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.expectations import check
from stages.text.ledger import LEDGER_SCHEMA
from tests.specimens import demonstration, prompt


def row(name: str, rule: str | None = None, value: float | None = None, threshold: float | None = None, **changes):
    kept = rule is None
    entry = {"id": name, "source": "a", "kind": "prose", "characters_in": 10, "characters_out": 10 if kept else 0}
    entry |= {"kept": kept, "rule": rule, "value": value, "threshold": threshold, "kept_id": None, "masked": 0}
    return entry | changes


def ledger(*rows) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=LEDGER_SCHEMA.names)


def broken(table, rules) -> list[str]:
    return [result["rule"] for result in check(table, rules) if not result["success"]]


def test_documents_that_add_up_pass_and_a_lost_one_does_not():
    ledgers = {"clean": ledger(row("d1"), row("d2", "min_words", 3, 50)), "deduplicate": ledger(row("d1"))}
    assert broken(corpus_gate.account_table(2, ledgers, 1), corpus_gate.account_rules()) == []
    [result] = check(corpus_gate.account_table(2, ledgers, 0), corpus_gate.account_rules())
    assert (result["success"], result["examples"]) == (False, ["documents"])


@pytest.mark.parametrize(
    ("rule", "value", "threshold", "expected"),
    [
        ("min_words", 49, 50, True),
        ("min_words", 50, 50, False),
        ("max_words", 51, 50, True),
        ("max_words", 50, 50, False),
        ("private_name", 1, 0, True),
        ("near_duplicate", 0.8, 0.8, True),
        ("near_duplicate", 0.79, 0.8, False),
    ],
)
def test_a_value_breaks_its_threshold_on_the_side_that_the_rule_names(rule, value, threshold, expected):
    assert breaks(rule, value, threshold) is expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (row("d1"), []),
        (row("d1", "min_words", 3, 50), []),
        (row("d1", "min_words", 60, 50), ["what was dropped breaks its threshold"]),
        (row("d1", "bad_mood", 3, 2), ["known reasons"]),
        (row("d1", kept=False), ["a reason for every dropped document and for no other"]),
    ],
)
def test_ledgers_are_held_against_themselves(entry, expected):
    assert broken(corpus_gate.ledger_table({"clean": ledger(entry)}), corpus_gate.ledger_rules()) == expected


def test_text_that_grew_is_a_warning():
    [result] = check(ledger(row("d1", characters_out=11)), corpus_gate.growth_rules())
    assert (result["success"], result["severity"]) == (False, "warning")


def test_a_source_of_which_too_little_is_left_is_named():
    documents = pd.DataFrame({"source": ["a", "a", "a"]})
    table = corpus_gate.source_table({"a": 4, "b": 5, "empty": 0}, documents)
    assert table["kept_fraction"].to_dict() == {"a": 0.75, "b": 0.0}
    [result] = check(table, corpus_gate.source_rules(0.1, 1.0))
    assert result["examples"] == ["b"]


def test_the_divergence_of_the_mix_of_sources_is_measured_in_nats():
    documents = pd.DataFrame({"source": ["a"] * 3 + ["b"]})
    [result] = check(documents, corpus_gate.mix_rules({"a": 5, "b": 5}, highest=0.1))
    # 3/4 ln(3/4 : 1/2) + 1/4 ln(1/4 : 1/2)
    assert result["value"] == pytest.approx(0.130812, abs=1e-6)
    assert result["success"] is False


def documents(**changes) -> pd.DataFrame:
    rows = [
        {"id": name, "content": content * 64, "source": "a", "split": split}
        for name, content, split in [("d1", "1", "train"), ("d2", "2", "test")]
    ]
    rows[0] |= changes
    return pd.DataFrame(rows)


SPLITS = pd.DataFrame({"document_id": ["d1", "d2"], "split": ["train", "test"]})
CLUSTERS = pd.DataFrame({"id": ["d1", "d2"], "cluster": ["c1", "c2"]})


@pytest.mark.parametrize(
    ("changes", "clusters", "expected"),
    [
        ({}, CLUSTERS, []),
        ({"content": "2" * 64}, CLUSTERS, ["no text twice"]),
        ({"split": "test"}, CLUSTERS, ["every document in the split it was given"]),
        ({}, CLUSTERS.assign(cluster="c1"), ["one document of each cluster of duplicates"]),
    ],
)
def test_kept_documents_are_distinct_and_where_they_belong(changes, clusters, expected):
    table = corpus_gate.document_table(documents(**changes), SPLITS, clusters)
    assert broken(table, corpus_gate.document_rules()) == expected


ANSWER = "The function adds an edge between two nodes and returns nothing at all to its caller."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nothing to see.", []),
        ("Write to someone@example.org today.", ["no personal data left", "no e-mail address"]),
        ("The server 8.8.8.8 answers.", ["no personal data left"]),
        ("A bell: \x07.", ["no control character"]),
        (f"As the book says: {ANSWER.lower()}", ["no answer to a test prompt"]),
    ],
)
def test_training_texts_hold_nothing_that_they_should_not(text, expected):
    texts = pd.DataFrame({"id": ["d1"], "text": [text]})
    table = corpus_gate.text_table(texts, [ANSWER], shared_words=13)
    assert broken(table, corpus_gate.text_rules(highest_leaking=0.0)) == expected


def shown(split: str, *sources: str) -> Demonstration:
    return demonstration(f"{split}-{'-'.join(sources)}", source_ids=sources, split=split)


def asked(split: str, *sources: str) -> Prompt:
    return prompt(f"prompt-{split}", source_ids=sources, split=split)


def test_what_is_trained_on_comes_from_no_document_for_measuring():
    demonstrations = [shown("train", "d1"), shown("validation", "d2")]
    table = corpus_gate.composed_table(demonstrations, [asked("test", "d2")], SPLITS)
    assert broken(table, corpus_gate.composed_rules()) == []
    table = corpus_gate.composed_table(demonstrations, [asked("optimise", "d1", "d2")], SPLITS)
    assert broken(table, corpus_gate.composed_rules()) == ["nothing trained on comes from a document for measuring"]


def test_every_part_needs_its_least():
    counts = corpus_gate.part_counts(documents(), [shown("train", "d1")], [asked("test", "d2")])
    assert counts == {"documents_train": 1, "documents_test": 1, "demonstrations_train": 1, "prompts_test": 1}
    table = corpus_gate.size_table(counts, {"documents_train": 1, "prompts_rank": 1})
    [result] = check(table, corpus_gate.size_rules())
    assert result["examples"] == ["prompts_rank"]

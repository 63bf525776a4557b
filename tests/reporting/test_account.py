import pandas as pd

from stages.reporting.account import about_documents, gate_rows, limit_in_words, source_rows, steps
from tests import results


def ledger(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"id": name, "source": source, "kept": rule is None, "rule": rule, "characters_out": 0 if rule else 10}
            for name, source, rule in rows
        ]
    )


LEDGERS = {
    "clean": ledger(("d1", "networkx", None), ("d2", "networkx", "min_words"), ("d3", "notes", None)),
    "deduplicate": ledger(("d1", "networkx", None), ("d3", "notes", "near_duplicate")),
    "decontaminate": ledger(("d1", "networkx", None), ("shown", "demonstrations", "shared_ngram")),
}


def test_the_account_names_what_is_left_and_why_the_rest_went():
    account = steps(results.collected()["sources"], about_documents(LEDGERS))
    assert [(step.name, step.documents, step.characters) for step in account] == [
        ("collect", 5, 500),
        ("clean", 2, 20),
        ("deduplicate", 1, 10),
        ("decontaminate", 1, 10),
    ]
    assert [step.reasons for step in account] == [(), (("min_words", 1),), (("near_duplicate", 1),), ()]


def test_sources_show_what_is_left_of_them():
    rows = source_rows(results.collected()["sources"], LEDGERS["decontaminate"])
    assert [(row["name"], row["documents_kept"]) for row in rows] == [("networkx", 1), ("notes", 0)]


def test_rules_of_every_gate_are_listed_with_value_and_limit():
    [row] = gate_rows({"source": results.gate(success=False)})
    assert (row["gate"], row["success"], row["value"], row["limit"]) == ("source", False, "9", "at least 10")


def test_limits_are_put_in_words():
    assert limit_in_words({"min_value": 0.05, "max_value": 1.0}) == "at least 0.05, at most 1.0"
    assert limit_in_words({"max_value": 1, "strict_max": True, "mostly": 0.995}) == "below 1, in 0.995 of rows"
    assert limit_in_words({"value_set": [True]}) == ""

import json

import pandas as pd
import pytest

from stages.errors import ExitCode, StageError
from stages.text.expectations import Rule, check, enforce, verdict

TABLE = pd.DataFrame({"size": [1, 2, 9], "mail": ["a", "write to x@y.org", "b"]}, index=["d1", "d2", "d3"])
AT_MOST_FIVE = {"column": "size", "max_value": 5}


def rule(expectation: str, severity: str = "critical", name: str = "small", **arguments) -> Rule:
    return Rule(name, severity, expectation, arguments)


def test_a_rule_about_rows_names_the_first_that_break_it():
    [result] = check(TABLE, [rule("ExpectColumnValuesToBeBetween", **AT_MOST_FIVE)])
    assert result == {
        "rule": "small",
        "column": "size",
        "severity": "critical",
        "success": False,
        "value": [9],
        "limit": {"max_value": 5},
        "unexpected_fraction": pytest.approx(1 / 3, abs=1e-6),
        "examples": ["d3"],
    }


def test_a_rule_about_a_column_observes_one_value():
    [result] = check(TABLE, [rule("ExpectColumnMaxToBeBetween", **AT_MOST_FIVE)])
    assert (result["success"], result["value"], result["unexpected_fraction"]) == (False, 9, None)


def test_results_come_in_the_order_of_the_rules_and_are_the_same_twice():
    rules = [
        rule("ExpectColumnValuesToBeUnique", name="b", column="size"),
        rule("ExpectTableRowCountToEqual", name="a", value=3),
        rule("ExpectColumnValuesToNotBeNull", name="c", column="size"),
    ]
    results = check(TABLE, rules)
    assert [result["rule"] for result in results] == ["b", "a", "c"]
    assert json.dumps(results) == json.dumps(check(TABLE, rules))


def test_text_that_matches_a_forbidden_pattern_is_not_repeated_in_the_result():
    [result] = check(TABLE, [rule("ExpectColumnValuesToNotMatchRegex", column="mail", regex=r"\w+@\w+\.org")])
    assert (result["success"], result["examples"]) == (False, ["d2"])
    assert "x@y.org" not in json.dumps(result)


def test_a_rule_about_a_column_that_is_not_there_is_a_bug_and_not_a_failure():
    with pytest.raises(RuntimeError, match="not computed"):
        check(TABLE, [rule("ExpectColumnMaxToBeBetween", column="absent", max_value=1)])


def test_a_failed_critical_rule_stops_with_rule_value_and_limit():
    results = check(TABLE, [rule("ExpectColumnMaxToBeBetween", **AT_MOST_FIVE)])
    with pytest.raises(StageError) as failure:
        enforce("corpus", "validate", results)
    assert failure.value.code == ExitCode.DATA
    assert "rule 'small', column size, value 9, limit max_value 5" in str(failure.value)


def test_a_failed_warning_is_counted_and_stops_nothing():
    results = check(TABLE, [rule("ExpectColumnMaxToBeBetween", severity="warning", **AT_MOST_FIVE)])
    summary = enforce("corpus", "validate", results)
    assert (summary["failed"], summary["warnings"]) == (0, 1)


def test_rules_that_hold_are_neither_failed_nor_warnings():
    results = check(TABLE, [rule("ExpectTableRowCountToEqual", value=3)])
    assert verdict(results) == {"failed": 0, "warnings": 0, "rules": results}

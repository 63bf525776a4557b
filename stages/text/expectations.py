"""Rules about tables, checked by Great Expectations; results carry no clock and no generated name.

The only module that imports Great Expectations, and only when a table is checked: the import takes seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pandas as pd

from stages.errors import ExitCode, StageError
from stages.text.bare_imports import bare

Severity = Literal["critical", "warning"]

NOT_USED = ("azure", "boto3", "botocore", "google", "pyspark", "snowflake", "sqlalchemy")
"""Optional packages for tables that are not in memory; Great Expectations does without any of them."""

DEFERRED = ("altair", "scipy.stats")
"""Needed for pictures, and for few expectations."""

EXAMPLES = 3
"""Offending rows named in a result."""

DIGITS = 6
"""Decimal places of observed values."""


@dataclass(frozen=True)
class Rule:
    """One expectation about a table."""

    name: str
    """What is demanded, in words; unique within its gate."""
    severity: Severity
    """A critical rule that fails stops everything behind its gate; a warning is counted."""
    expectation: str
    """Name of a class in `great_expectations.expectations`."""
    arguments: dict[str, Any]
    """Column and limits, as that class names them."""


class Result(TypedDict):
    """What came of one rule: the normalised form of a validation result."""

    rule: str
    column: str | None
    severity: Severity
    success: bool
    value: Any
    """The observed value; of a rule about single rows, the first values that break it."""
    limit: dict[str, Any]
    """What the value was held against, as the expectation names it."""
    unexpected_fraction: float | None
    """Share of rows that break the rule, 0 to 1; null for a rule about the table as a whole."""
    examples: list[str]
    """Index labels of the first rows that break it."""


class Verdict(TypedDict):
    """What a gate made of its rules."""

    failed: int
    """Critical rules that do not hold."""
    warnings: int
    rules: list[Result]


def check(table: pd.DataFrame, rules: Sequence[Rule]) -> list[Result]:
    """The result of every rule, in the order given; rows are named by the table's index."""
    with bare(NOT_USED, DEFERRED):
        import great_expectations
        from great_expectations import expectations
        from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("tables").add_dataframe_asset("table")
    options = {"dataframe": needed(table, rules).rename_axis(None)}
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(options)
    suite = great_expectations.ExpectationSuite(
        name="rules",
        expectations=[
            getattr(expectations, rule.expectation)(**rule.arguments, severity=rule.severity, meta={"rule": rule.name})
            for rule in rules
        ],
    )
    # Results come back in another order than the rules.
    outcomes = {
        one["expectation_config"]["meta"]["rule"]: one for one in batch.validate(suite).to_json_dict()["results"]
    }
    return [normalised(rule, outcomes[rule.name]) for rule in rules]


def needed(table: pd.DataFrame, rules: Sequence[Rule]) -> pd.DataFrame:
    """The columns that rules name, or all where a rule is about the set of columns: each is hashed twice on the way."""
    if any("column_set" in rule.arguments for rule in rules):
        return table
    named = {rule.arguments.get(key) for rule in rules for key in ("column", "column_A", "column_B")}
    return table[[column for column in table.columns if column in named]]


def normalised(rule: Rule, outcome: dict[str, Any]) -> Result:
    """A validation result without what differs between equal runs."""
    _require_computed(rule, outcome["exception_info"])
    result = outcome["result"]
    limit = {name: value for name, value in rule.arguments.items() if not name.startswith("column")}
    percent = result.get("unexpected_percent")
    return Result(
        rule=rule.name,
        column=rule.arguments.get("column", rule.arguments.get("column_A")),
        severity=rule.severity,
        success=outcome["success"],
        value=_observed(rule, result),
        limit={name: _plain(value) for name, value in sorted(limit.items()) if name != "partition_object"},
        unexpected_fraction=None if percent is None else _plain(percent / 100),
        examples=[str(label) for label in result.get("partial_unexpected_index_list", [])[:EXAMPLES]],
    )


def _require_computed(rule: Rule, exception: dict[str, Any]) -> None:
    # Either the three fields of one exception, or one such mapping for each metric that raised.
    raised = [exception] if "raised_exception" in exception else list(exception.values())
    for one in raised:
        if one["raised_exception"]:
            raise RuntimeError(f"rule {rule.name!r} was not computed: {one['exception_message']}")


def _observed(rule: Rule, result: dict[str, Any]) -> Any:
    if "observed_value" in result:
        return _plain(result["observed_value"])
    # A pattern that must not occur may be personal data, which no result repeats.
    if "Regex" in rule.expectation:
        return None
    return _plain(result.get("partial_unexpected_list", [])[:EXAMPLES]) or None


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DIGITS)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def verdict(results: Sequence[Result]) -> Verdict:
    """The results of a gate with the numbers of rules that do not hold."""
    failing = [result["severity"] for result in results if not result["success"]]
    return Verdict(failed=failing.count("critical"), warnings=failing.count("warning"), rules=list(results))


def enforce(gate: str, section: str, results: Sequence[Result]) -> Verdict:
    """The gate's verdict; StageError that names every critical rule that failed, its value and its limit.

    `section` of `params.yaml` holds the limits.
    """
    summary = verdict(results)
    if summary["failed"]:
        broken = [result for result in results if result["severity"] == "critical" and not result["success"]]
        raise StageError(
            ExitCode.DATA,
            f"{gate} gate failed",
            "; ".join(map(described, broken)),
            f"Look at the documents, or change {section} in params.yaml.",
        )
    return summary


def described(result: Result) -> str:
    """A result in words: rule, value, limit, and where to look."""
    words = [f"rule '{result['rule']}'"]
    if result["column"]:
        words.append(f"column {result['column']}")
    if result["value"] is not None:
        words.append(f"value {result['value']}")
    limits = ", ".join(f"{name} {value}" for name, value in result["limit"].items())
    words.append(f"limit {limits or 'none may break it'}")
    if result["unexpected_fraction"] is not None:
        words.append(f"broken by {result['unexpected_fraction']:.2%} of rows")
    if result["examples"]:
        words.append(f"first {', '.join(result['examples'])}")
    return ", ".join(words)

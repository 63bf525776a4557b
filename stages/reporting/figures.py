"""Figures and claims in words: numbers at a readable precision, intervals, and whether a claim is met."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Figure = Mapping[str, Any]
"""A measured value as results files hold it: value, low, high, n, over, method."""

SHARES = frozenset(
    {
        "admit_difference",
        "admit_share",
        "bits_per_byte_change",
        "choice_accuracy",
        "decline_share",
        "reward_accuracy",
        "stop_share",
        "win_rate",
    }
)
"""Measures, by the first part of their names, that read best in per cent."""

MEASURES = {
    "bits_per_byte.test": "Bits per byte, test text",
    "bits_per_byte.novel_test": "Bits per byte, mostly new test text",
    "bits_per_byte.domain_test": "Bits per byte, the domain's test text",
    "choice_accuracy.all": "Choice tasks answered right",
    "hidden_score": "Hidden score of answers, 0 to 1",
    "helpfulness": "Helpfulness, 0 to 1",
    "accuracy": "Accuracy, 0 to 1",
    "tone": "Tone, 0 to 1",
    "safety": "Safety, 0 to 1",
    "stop_share": "Answers that end by themselves",
    "decline_share.held_out": "Declines what it should",
    "decline_share.benign_lookalike": "Declines what only sounds like it",
    "admit_share.invented_name": "Admits not knowing an invented name",
    "admit_share.real_name": "Admits not knowing a real name",
    "answer_tokens": "Tokens of an answer",
    "distinct_4": "Distinct 4-grams among all",
}
"""What is measured of every model, in the order in which it is shown; with the model's name behind it, a figure."""

NOT_MEASURED = "not measured"
TOO_FEW = "too few to say"


def number(value: float | int | None, percent: bool = False) -> str:
    """A number for people: thousands apart, three decimals at most, per cent where that reads best."""
    if value is None:
        return NOT_MEASURED
    return _digits(100 * value if percent else value, percent).replace("-", "\N{MINUS SIGN}", 1)


def _digits(value: float, percent: bool) -> str:
    if percent:
        return f"{value:.1f}\N{NO-BREAK SPACE}%"
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1e}" if abs(value) < 0.001 else f"{value:.3f}"


def is_share(name: str) -> bool:
    """Whether a figure of this name reads best in per cent."""
    return name.partition(".")[0] in SHARES


def interval(figure: Figure, percent: bool = False) -> str:
    """The interval of a figure; empty where it has none."""
    if figure["value"] is None or figure["low"] is None or figure["high"] is None:
        return ""
    return f"{number(figure['low'], percent)} to {number(figure['high'], percent)}"


def count(figure: Figure) -> str:
    """On how much a figure was measured."""
    over = figure["over"].removesuffix("s") if figure["n"] == 1 else figure["over"]
    return f"{figure['n']:,} {over}"


@dataclass(frozen=True)
class VerdictRow:
    """A claim, what was measured, and whether that bears the claim out."""

    claim: str
    value: str
    interval: str
    count: str
    state: str
    """`met`, `not met`, `too few to say` or `not measured`."""
    reason: str


def verdict_row(claim: Mapping[str, Any], figures: Mapping[str, Figure]) -> VerdictRow:
    """A claim of evaluate's results in words."""
    figure, percent = figures[claim["figure"]], is_share(claim["figure"])
    states = {True: "met", False: "not met", None: NOT_MEASURED if figure["value"] is None else TOO_FEW}
    return VerdictRow(
        claim=claim["claim"],
        value=number(figure["value"], percent),
        interval=interval(figure, percent),
        count=count(figure),
        state=states[claim["holds"]],
        reason=reason(claim, figure, percent),
    )


def reason(claim: Mapping[str, Any], figure: Figure, percent: bool) -> str:
    """Which side of its bound the figure, or an end of its interval, is on."""
    if figure["value"] is None:
        return "nothing to measure it on"
    if figure["n"] < claim["smallest_n"]:
        return f"{count(figure)}, and at least {claim['smallest_n']} are needed to say"
    side, bound = claim["side"], number(claim["bound"], percent)
    end, subject = {
        "high_below": (figure["high"], "upper end"),
        "low_above": (figure["low"], "lower end"),
        "value_at_most": (figure["value"], "value"),
        "value_at_least": (figure["value"], "value"),
    }[side]
    if end is None:
        return "it has no interval"
    relation = "at most" if side in ("high_below", "value_at_most") else "at least"
    strict = {"high_below": "below", "low_above": "above"}.get(side, relation)
    negation = "" if claim["holds"] else "not "
    return f"{subject} {number(end, percent)} is {negation}{strict} {bound}"

"""Figures of the last run that somebody found good, and how far those of this one may be from them."""

from collections.abc import Mapping

import pandas as pd
from pydantic import Field, NonNegativeFloat

from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.text.expectations import Result, Rule, check


class Accepted(Section):
    """The figures, written down by hand: what differs from them is worth a look, and a warning alone."""

    max_change: float = Field(ge=0)
    """Of a figure, as a share of the accepted one."""
    figures: dict[str, NonNegativeFloat] = Field(min_length=1)
    """By the names that the stage's `metrics.json` has."""


def changes(accepted: Mapping[str, float], figures: Metrics) -> pd.DataFrame:
    """The column `change` of each accepted figure, a share of it; StageError for one that the stage does not have."""
    unknown = sorted(set(accepted) - set(figures))
    if unknown:
        what = f"{', '.join(unknown)}: the stage has {', '.join(sorted(figures))}"
        raise StageError(ExitCode.CONFIGURATION, "unknown accepted figure", what, "Take names from its metrics.json.")
    pairs = [(float(figures[name]), value) for name, value in accepted.items()]
    shares = [abs(found / value - 1) if value else float(found != value) for found, value in pairs]
    return pd.DataFrame({"change": shares}, index=list(accepted))


def check_accepted(accepted: Accepted | None, figures: Metrics) -> list[Result]:
    """The rule that no figure has changed too much, or no rule where none were accepted so far."""
    if accepted is None:
        return []
    most = {"column": "change", "max_value": accepted.max_change}
    rule = Rule("figures as those accepted last", "warning", "ExpectColumnValuesToBeBetween", most)
    return check(changes(accepted.figures, figures), [rule])

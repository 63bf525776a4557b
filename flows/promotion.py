"""The promotion rule: whether a registered version becomes the champion without a person, from its figures alone."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.errors import ExitCode, StageError
from stages.parameters import Section, read_section

PARAMETERS = Path("params.yaml")
SECTION = "registry"
LOW = "_low"
"""Ends the name of the lower end of a figure's interval."""


class Rule(Section):
    """The section `registry` of `params.yaml`; a figure is named `stage.metric`, as in `data/<stage>/metrics.json`."""

    at_least: dict[str, float]
    """Figures, and the least that a champion may have of each."""
    at_most: dict[str, float]
    """Figures, and the most that a champion may have of each."""
    not_worse: str
    """A figure that is better when larger, and may not fall below the champion's: below the lower end of its interval,
    where one is on record, because two equal models differ by chance."""

    @property
    def names(self) -> list[str]:
        """Every figure that the rule looks at."""
        return list(dict.fromkeys([*self.at_least, *self.at_most, self.not_worse]))


def read_rule(path: Path = PARAMETERS) -> Rule:
    """The rule as it stands; StageError for one that is missing or not well formed."""
    return read_section(path, SECTION, Rule)


def figures_of(stage: str, metrics: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, float]:
    """A stage's figures by their full names: its metrics, and what its results alone hold of intervals.

    What the stage had nothing to measure by is not a number.
    """
    figures = {name: float(value) for name, value in metrics.items() if not isinstance(value, str)}
    for dotted, figure in results.get("figures", {}).items():
        name = dotted.replace(".", "_")
        figures.setdefault(name, math.nan if figure["value"] is None else figure["value"])
        if figure["low"] is not None:
            figures[name + LOW] = figure["low"]
    return {f"{stage}.{name}": value for name, value in figures.items()}


def read_figures(stages: Iterable[str]) -> dict[str, float]:
    """The figures of stages that have run."""
    figures: dict[str, float] = {}
    for stage in stages:
        paths = [Path("data", stage, name) for name in ("metrics.json", "results.json")]
        metrics, results = (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {} for path in paths)
        figures |= figures_of(stage, metrics, results)
    return figures


def looked_at(rule: Rule, figures: Mapping[str, float]) -> dict[str, float]:
    """The figures that the rule looks at, with their lower ends; StageError naming all that do not exist."""
    if unknown := [name for name in rule.names if name not in figures]:
        close = [difflib.get_close_matches(name, figures, 1) for name in unknown]
        meant = [f"{name} (is it {match[0]}?)" if match else name for name, match in zip(unknown, close, strict=True)]
        raise StageError(
            ExitCode.CONFIGURATION,
            "no such figure",
            f"{PARAMETERS}: {SECTION}: {', '.join(meant)}",
            "Name it stage.metric, as in data/<stage>/metrics.json.",
        )
    names = [name + end for name in rule.names for end in ("", LOW)]
    return {name: figures[name] for name in names if name in figures}


def objections(rule: Rule, figures: Mapping[str, float], champion: Mapping[str, float] | None) -> list[str]:
    """What speaks against a version, a clause each; none for one that the rule promotes.

    `champion` holds the figures on record of the champion, None where there is no champion: then the bounds decide.
    """
    found = [
        f"{name} is {figures[name]:.4g}, under {bound:.4g}"
        for name, bound in rule.at_least.items()
        if not figures[name] >= bound
    ]
    found += [
        f"{name} is {figures[name]:.4g}, over {bound:.4g}"
        for name, bound in rule.at_most.items()
        if not figures[name] <= bound
    ]
    if champion is not None:
        name = rule.not_worse
        floor = champion.get(name + LOW, champion.get(name))
        if floor is None:
            found.append(f"the champion has no {name} on record, so a person must decide")
        elif not figures[name] >= floor:
            found.append(f"{name} is {figures[name]:.4g}, worse than the champion's ({floor:.4g} at the least)")
    return found

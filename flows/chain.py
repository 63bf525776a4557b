"""A trace as steps, lines and checks, and how it is printed, for people and for machines."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LABEL_WIDTH = 15
LINE_WIDTH = 160
MANNER = ("code", "with")
"""Lines on how a stage was run; what was run comes first where more than one link does not hold."""


class UnknownError(Exception):
    """What was asked for is not there: a bad argument."""


@dataclass(frozen=True)
class Check:
    """Something with a value on record, and the value it has now."""

    what: str
    by: str
    """Who has it on record."""
    recorded: str
    found: str
    where: str = ""
    """What differs, where more can be said than `what`."""

    @property
    def holds(self) -> bool:
        """Whether it is as recorded."""
        return self.recorded == self.found

    def __str__(self) -> str:
        return f"{self.where or self.what}: {self.by} has {self.recorded}, found {self.found}"


class BrokenLinkError(Exception):
    """A check that does not hold, where what follows would be read from the file that it is about."""

    def __init__(self, check: Check) -> None:
        super().__init__(str(check))
        self.check = check


@dataclass(frozen=True)
class Line:
    """A fact of a trace, with the checks that it stands on; `data` holds it for machines."""

    label: str
    text: str
    checks: tuple[Check, ...] = ()
    data: Any = None


@dataclass(frozen=True)
class Step:
    """A link of the chain: a stage, a source, a document, a judgement."""

    name: str
    lines: tuple[Line, ...]


def summary(label: str, text: str, checks: Sequence[Check]) -> Line:
    """A line on very many checks, which keeps those that do not hold, or else one."""
    return Line(label, text, tuple(check for check in checks if not check.holds) or tuple(checks[:1]))


def first_broken(steps: Sequence[Step]) -> Check | None:
    """The first check that does not hold, from the artifact on; how stages were run comes after what they read."""
    lines = sorted((line for step in steps for line in step.lines), key=lambda line: line.label in MANNER)
    return next((check for line in lines for check in line.checks if not check.holds), None)


def shown(steps: Sequence[Step]) -> Iterator[str]:
    """The chain as lines for a terminal, in which nothing can move its cursor."""
    for step in steps:
        yield step.name
        for line in step.lines:
            text = f"  {line.label:{LABEL_WIDTH}}{line.text}"
            if len(text) > LINE_WIDTH:
                text = text[:LINE_WIDTH] + "…"
            broken = [check for check in line.checks if not check.holds]
            yield text + ("  ok" if line.checks and not broken else "")
            yield from (f"  {'':{LABEL_WIDTH}}DOES NOT HOLD: {_brief(check)}" for check in broken)


def _brief(check: Check) -> str:
    return str(check) if len(str(check)) <= 4 * LINE_WIDTH else f"{check.where or check.what}: not what {check.by} has"


def printable(text: str) -> str:
    """A line with its control characters spelt out: text is data."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def as_json(steps: Sequence[Step], problem: str | None) -> str:
    """The chain for machines."""
    content = [
        {
            "name": step.name,
            "lines": [
                {
                    "label": line.label,
                    "text": line.text,
                    "data": line.data,
                    "checks": [dataclasses.asdict(check) | {"holds": check.holds} for check in line.checks],
                }
                for line in step.lines
            ],
        }
        for step in steps
    ]
    return json.dumps({"holds": problem is None, "broken": problem, "steps": content}, indent=1)

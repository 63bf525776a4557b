"""What a stage tells its tracking process, one JSON object a line: Begin first, then Points, then End."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Begin:
    """The run's stage, resolved parameters (nested), inputs, and the stage's process id for system figures.

    Of inputs that a stage wrote, `inputs` has DVC's hash, by path; taken before the work, for DVC may be killed after.

    `record` is the file that names the stage's newest run. A stage that can be continued has a `fingerprint` of
    all that it depends on: its run goes on where one of the same fingerprint was stopped. Others have an empty one.
    """

    stage: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    pid: int
    record: str
    fingerprint: str


@dataclass(frozen=True)
class Point:
    """Values of curves at a step; `time` in milliseconds since the epoch."""

    values: dict[str, float]
    step: int
    time: int


@dataclass(frozen=True)
class End:
    """How the stage ended, its final metrics, the small files to keep beside the run, and what it cost."""

    state: str
    metrics: dict[str, float | int | str]
    artifacts: list[str]
    cost: dict[str, float | str]


Message = Begin | Point | End
KINDS: dict[str, type[Begin] | type[Point] | type[End]] = {kind.__name__: kind for kind in (Begin, Point, End)}


def pack(message: Message) -> str:
    """A message as a line."""
    return json.dumps([type(message).__name__, asdict(message)]) + "\n"


def unpack(line: str) -> Message:
    """The message of a line."""
    kind, content = json.loads(line)
    return KINDS[kind](**content)

"""Which MLflow run a stage's tracking process writes: a new one, or the one of a stage that was stopped and goes on."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mlflow import MlflowClient

SYSTEM = "system/"
"""Curves over seconds of work; all others are over steps."""


@contextlib.contextmanager
def held_record(path: Path) -> Iterator[TextIO]:
    """The file that names a stage's newest run, held alone: the process of a stage that was killed may still write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield file


def unfinished_run(client: "MlflowClient", record: TextIO, fingerprint: str) -> str | None:
    """The id of the newest run, if it is of this fingerprint and was stopped before its end."""
    record.seek(0)
    try:
        content = json.loads(record.read())
    except ValueError:  # none yet, or one that was cut off
        return None
    if not fingerprint or content["fingerprint"] != fingerprint:
        return None
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(content["run"])
    except MlflowException:  # another store, or a run that somebody has removed
        return None
    is_unfinished = run.info.status != "FINISHED" and run.info.lifecycle_stage == "active"
    return content["run"] if is_unfinished else None


def keep(record: TextIO, run: str, fingerprint: str) -> None:
    """Name a run as the newest."""
    record.seek(0)
    record.truncate()
    json.dump({"run": run, "fingerprint": fingerprint}, record)
    record.flush()


def written_steps(client: "MlflowClient", run: str) -> dict[str, set[int]]:
    """The steps that each curve of a run already has a point at."""
    names = client.get_run(run).data.metrics
    return {name: {point.step for point in client.get_metric_history(run, name)} for name in names}


def worked_seconds(written: dict[str, set[int]]) -> int:
    """How long the stage had been at work when its last figures of the system were noted down."""
    return max((step for name, steps in written.items() if name.startswith(SYSTEM) for step in steps), default=0)

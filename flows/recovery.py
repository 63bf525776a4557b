"""Mend what a killed DVC leaves cut off; `python -m flows.recovery` does it for a `dvc repro` that was run by hand.

DVC writes its record, `dvc.lock`, in place and for a tenth of a second or more. Killed then, it leaves a record that it
refuses to read, or one that has lost stages. Its table of who reads and writes what is written in place as well, and in
a container whose first process does not collect ended ones, a killed DVC goes on to block its successors there.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML, YAMLError

from flows.graph import read_graph
from stages.execution.processes import has_ended

PIPELINE = Path("dvc.yaml")
RECORD = Path("dvc.lock")
WHOLE = "dvc.lock"
"""The name of the last whole record, in Prefect's folder."""
TEMPORARY = Path(".dvc/tmp")
TABLE = TEMPORARY / "rwlock"


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold one of DVC's locks as zc.lockfile, which DVC uses, does; waits for a DVC that holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def recorded_stages(record: Path) -> dict[str, Any]:
    """The stages of a record; none if it is missing or cut off to what is no record."""
    try:
        return dict(YAML(typ="safe").load(record.read_text(encoding="utf-8"))["stages"])
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError, ValueError):
        return {}


def write_record(stages: dict[str, Any]) -> None:
    """Put a record in place, as DVC would write it."""
    yaml, partial = YAML(), RECORD.with_suffix(".partial")
    yaml.default_flow_style = False
    with partial.open("w", encoding="utf-8") as file:
        yaml.dump({"schema": "2.0", "stages": stages}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(RECORD)


def mend_record(whole: Path) -> None:
    """Put back the stages of `dvc.yaml` that the record has lost since `whole` was kept, and keep it anew.

    Safe even if the user has taken them out: DVC compares what an entry says with the files. What has run since then
    DVC gets from its cache of runs.
    """
    if not RECORD.exists():
        return
    stages, before = recorded_stages(RECORD), recorded_stages(whole)
    lost = {stage: before[stage] for stage in read_graph(PIPELINE).stages if stage in before and stage not in stages}
    if lost:
        print(f"{RECORD} was cut off when DVC was killed: put back {', '.join(lost)}", flush=True)
        write_record(stages | lost)
    elif not stages:
        print(f"{RECORD} was cut off when DVC was killed: removed; DVC takes what has run from its cache", flush=True)
        RECORD.unlink()
        return
    partial = whole.with_suffix(".partial")
    shutil.copyfile(RECORD, partial)
    partial.replace(whole)


def is_at_work(process: int) -> bool:
    """Whether a process lives; one that has ended may stand in the system's list until somebody collects it."""
    try:
        return not has_ended(psutil.Process(process))
    except psutil.NoSuchProcess:
        return False


def mend_table() -> None:
    """Remove the table of readers and writers if it is cut off, or names nobody who is at work."""
    with contextlib.suppress(FileNotFoundError):
        try:
            table = json.loads(TABLE.read_text())
            readers = [reader for readers in table.get("read", {}).values() for reader in readers]
            named = {entry["pid"] for entry in [*readers, *table.get("write", {}).values()]}
        except (ValueError, KeyError, TypeError, AttributeError):
            named = set()
        if not any(is_at_work(process) for process in named):
            TABLE.unlink()


def mend(home: Path) -> None:
    """Mend both; a whole record is kept in `home`, Prefect's folder."""
    home.mkdir(parents=True, exist_ok=True)
    with held(TEMPORARY / "lock"):
        mend_record(home / WHOLE)
    with held(TEMPORARY / "rwlock.lock"):
        mend_table()


if __name__ == "__main__":
    mend(Path(os.environ["PREFECT_HOME"]))

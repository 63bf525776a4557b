"""Mend what a killed DVC leaves cut off; `python -m flows.recovery` does it for a `dvc repro` that was run by hand.

DVC writes its record, `dvc.lock`, in place and for a tenth of a second or more. Killed then, it leaves a record that it
refuses to read, or one that has lost stages. Its table of who reads and writes what is written in place as well, and in
a container whose first process does not collect ended ones, a killed DVC goes on to block its successors there. In its
cache of runs it may leave a folder without an entry, which ends its successors with `join() argument must be str`.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from flows.files import written_whole
from flows.graph import read_graph
from flows.process_groups import has_ended

PIPELINE = Path("dvc.yaml")
RECORD = Path("dvc.lock")
KEPT = "recorded_stages.json"
"""In Prefect's folder: the stages of the record when it was whole."""
TEMPORARY = Path(".dvc/tmp")
TABLE = TEMPORARY / "rwlock"
CACHE_OF_RUNS = Path(".dvc/cache/runs")
"""Where DVC has it unless `cache.dir` is set."""


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold one of DVC's locks as zc.lockfile, which DVC uses, does; waits for a DVC that holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_whole(entry: Any) -> bool:
    """Whether DVC would accept a stage's entry; that lines are missing it finds when it looks at the files."""
    if not isinstance(entry, dict) or "cmd" not in entry or None in entry.values():
        return False
    files, parameters = [*entry.get("deps", []), *entry.get("outs", [])], entry.get("params", {})
    has_files = all(isinstance(file, dict) and "path" in file and None not in file.values() for file in files)
    return has_files and isinstance(parameters, dict) and all(isinstance(part, dict) for part in parameters.values())


def recorded_stages(lines: str) -> dict[str, Any]:
    """The stages of a record; none if it is cut off to what is no record."""
    try:
        return dict(YAML(typ="safe").load(lines)["stages"])
    except (YAMLError, KeyError, TypeError, ValueError):
        return {}


def kept_stages(kept: Path) -> dict[str, Any]:
    """The stages as they were kept, none before the first time."""
    return dict(json.loads(kept.read_text())) if kept.exists() else {}


def write_record(stages: dict[str, Any]) -> None:
    """Put a record in place, as DVC would write it."""
    yaml = YAML()
    yaml.default_flow_style = False
    with written_whole(RECORD) as file:
        yaml.dump({"schema": "2.0", "stages": stages}, file)


def mend_record(kept: Path) -> None:
    """Put back what the record has lost of the stages in `kept`, and keep them anew.

    Safe even if a user has taken an entry out: DVC compares what it says with the files. What has run since DVC takes
    from its cache of runs.
    """
    if not RECORD.exists():
        return
    lines, _, cut_off = RECORD.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    recorded, before = recorded_stages(lines), kept_stages(kept)
    whole = {stage: entry for stage, entry in recorded.items() if is_whole(entry)}
    declared = read_graph(PIPELINE).stages if whole else before  # a stage may have been removed from the pipeline
    lost = {stage: before[stage] for stage in before if stage in declared and stage not in whole}
    stages = {stage: entry for stage, entry in (before | whole | lost).items() if stage in whole or stage in lost}
    if cut_off or lost or not recorded or len(whole) < len(recorded):
        print(f"{RECORD} is not whole, as a DVC leaves it that is killed: put back {', '.join(lost)}", flush=True)
        write_record(stages)
    with written_whole(kept) as file:
        json.dump(before | stages, file)


def mend_table() -> None:
    """Remove the table of readers and writers if it is cut off, or names nobody who is at work."""
    with contextlib.suppress(FileNotFoundError):
        try:
            table = json.loads(TABLE.read_text())
            readers = [reader for readers in table.get("read", {}).values() for reader in readers]
            named = {entry["pid"] for entry in [*readers, *table.get("write", {}).values()]}
        except (ValueError, KeyError, TypeError, AttributeError):
            named = set()
        if all(map(has_ended, named)):
            TABLE.unlink()


def mend_cache_of_runs() -> None:
    """Remove half-written entries and folders without any; DVC writes there while it holds its lock."""
    for entry in CACHE_OF_RUNS.glob("*/*/.*.tmp"):
        entry.unlink()
    for folder in CACHE_OF_RUNS.glob("*/*/"):
        if not any(folder.iterdir()):
            folder.rmdir()


def mend(home: Path) -> None:
    """Mend all three; the record's stages are kept in `home`, Prefect's folder."""
    with held(TEMPORARY / "lock"):
        mend_record(home / KEPT)
        mend_cache_of_runs()
    with held(TEMPORARY / "rwlock.lock"):
        mend_table()


if __name__ == "__main__":
    mend(Path(os.environ["PREFECT_HOME"]))

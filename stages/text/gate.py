"""The verdict of validate on the documents: written by it alone, asked for by every stage that trains on them."""

import json
from pathlib import Path

from stages.errors import ExitCode, StageError
from stages.hashing import folder_hash


def write_passed(path: Path, hashes: dict[str, str]) -> None:
    """Record that what has these hashes passed; `hashes` holds at least that of the folder `documents`.

    Nothing else is in the file, so that a changed figure among the results does not rerun what trains.
    """
    path.write_text(json.dumps({"passed": True, **hashes}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def require_passed(passed: Path, documents: Path) -> None:
    """StageError unless the file `passed` is about the documents as they are now."""
    try:
        record = json.loads(passed.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StageError(ExitCode.DATA, "not a verdict", str(passed), "Run validate again.") from error
    if record.get("passed") is not True:
        raise StageError(ExitCode.DATA, "documents did not pass validation", str(documents), "See validate's results.")
    if record.get("documents") != folder_hash(documents):
        raise StageError(
            ExitCode.DATA, "documents changed after they were validated", str(documents), "Run validate again."
        )

"""Snapshots of what people wrote, read as what a text editor or a full disk may have made of them."""

from pathlib import Path

from stages.errors import ExitCode, StageError
from stages.text.records import RecordType, read_records


def read_snapshot(path: Path, record: type[RecordType]) -> list[RecordType]:
    """Every record of a snapshot; a line that does not fit, or is no text, is a data error that names it."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise StageError(
            ExitCode.DATA, "not UTF-8", f"{path}:{line}: {error.reason}", "Mend or remove the line."
        ) from error
    return read_records(path, record)

"""What JSONL records have in common: a schema version, one object a line, the same bytes for the same content."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import ExitCode, StageError

MOST_NAMED = 10
"""Broken lines that one message spells out."""


class Record(BaseModel):
    """One line of a JSONL file. Every subclass carries a `schema_version` of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def line(self) -> str:
        """The record as one line of JSON, keys in the order of the class."""
        return self.model_dump_json()

    @classmethod
    def parse(cls, line: str) -> Self:
        """The record that `line` holds."""
        return cls.model_validate_json(line)


RecordType = TypeVar("RecordType", bound=Record)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write one record a line, through a temporary name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(record.line() + "\n" for record in records)
    temporary.replace(path)


def _no_fault(record: Record) -> Iterable[str]:
    return ()


def read_records(
    path: Path, record: type[RecordType], faults: Callable[[RecordType], Iterable[str]] = _no_fault
) -> list[RecordType]:
    """Every record of a JSONL file, read as what a text editor or a full disk may have made of it.

    A line that holds no such record, or one in which `faults` finds some, is a data error; it counts these lines and
    names the first of them, each with all that is wrong.
    """
    records, broken = [], []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                records.append(record.model_validate_json(line.rstrip(b"\r\n")))
                found = list(faults(records[-1]))
            except ValidationError as error:
                found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ") for one in error.errors()]
            if found:
                broken.append(f"{path}:{number}: {', '.join(found)}")
    if broken:
        what = f"{len(broken)} broken line{'s' * (len(broken) > 1)}"
        more = f"; and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
        where = "; ".join(broken[:MOST_NAMED]) + more
        raise StageError(ExitCode.DATA, what, where, f"Mend or remove them; each is to be a {record.__name__}.")
    return records

"""What JSONL records have in common: a schema version, one object a line, the same bytes for the same content."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import ExitCode, StageError


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


def read_records(path: Path, record: type[RecordType]) -> list[RecordType]:
    """Every record of a JSONL file; a line that does not fit is a data error that names it."""
    records = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                records.append(record.parse(line))
            except ValidationError as error:
                problem = error.errors()[0]
                where = f"{path}:{number}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                raise StageError(
                    ExitCode.DATA, f"not a {record.__name__}", where, "Mend or remove the line."
                ) from error
    return records

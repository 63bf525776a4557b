"""The one error that a user can cause, and the exit code of each kind of cause."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a stage's process exits with; `flows.pipeline` passes the number on unchanged."""

    BUG = 1
    CONFIGURATION = 2
    DATA = 3
    WAITING_FOR_PEOPLE = 4
    RESOURCES = 5
    INTERRUPTED = 130


class StageError(Exception):
    """A failure that the user can mend; it is printed as one line, without a trace.

    `what` failed, `where` (the file, field or record it failed on), and the `remedy` (what to do about it).
    """

    def __init__(self, code: ExitCode, what: str, where: str, remedy: str) -> None:
        self.code = code
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(code, what, where, remedy)  # all of them, for it to reach one process from another

    def __str__(self) -> str:
        return f"{self.what}: {self.where}. {self.remedy}"

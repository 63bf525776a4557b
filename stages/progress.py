"""How far a long stage is: one live line on a terminal, a plain line every 15 seconds elsewhere, on standard error."""

import os
import resource
import sys
import time
from types import TracebackType
from typing import Self, TextIO

LIVE_SECONDS = 0.2
PLAIN_SECONDS = 15.0


def is_live(stream: TextIO) -> bool:
    """Whether `stream` can show a line that rewrites itself; `CI` and `TERM=dumb` say that it cannot."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM", "dumb") != "dumb"


def duration(seconds: float) -> str:
    """Seconds as people read them: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def figure(value: float) -> str:
    """A number with four significant digits, or grouped thousands without a fraction."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def resident_memory() -> float:
    """The largest resident memory of this process so far, in MiB."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / 1024


class Progress:
    """A context that prints the share done, the values given to `update`, peak memory and the time left.

    Work that begins in the middle (a resumed stage) gives its first position as `start`, for the time left to be right.
    """

    def __init__(
        self, title: str, total: int, unit: str = "item", start: int = 0, stream: TextIO | None = None
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.start = start
        self.done = start
        self.stream = stream or sys.stderr
        self.live = is_live(self.stream)
        self.values: dict[str, float] = {}
        self.began = self.printed = time.monotonic()

    def __enter__(self) -> Self:
        self.began = self.printed = time.monotonic()
        return self

    def update(self, done: int, **values: float) -> None:
        """Note that `done` units of the total are finished, with the latest figures of the work, and print if due."""
        self.done = done
        self.values.update(values)
        if time.monotonic() - self.printed >= (LIVE_SECONDS if self.live else PLAIN_SECONDS):
            self._print(self._line(), end="" if self.live else "\n")

    def _line(self) -> str:
        elapsed = time.monotonic() - self.began
        parts = [f"{self.title}: {self.done:,}/{self.total:,} {self.unit}s"]
        parts += [f"{name.replace('_', ' ')} {figure(value)}" for name, value in self.values.items()]
        parts.append(f"{figure(resident_memory())} MiB")
        if self.start < self.done < self.total:
            parts.append(f"{duration(elapsed / (self.done - self.start) * (self.total - self.done))} left")
        else:
            parts.append(duration(elapsed))
        return ", ".join(parts)

    def _print(self, line: str, end: str) -> None:
        self.printed = time.monotonic()
        start = "\r\x1b[K" if self.live else ""
        self.stream.write(f"{start}{line}{end}")
        self.stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._print(self._line(), end="\n")

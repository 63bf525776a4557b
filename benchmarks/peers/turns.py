"""What a variant of benchmarks/training.py is told and answers; ours and the peers' have this one clock.

A variant trains without an end. Before every step it comes here, and waits where the steps that it was asked for are
done, so that variants which all stay in memory take turns at the processor.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

BATCH_TOKENS = 4096
NEVER = 10**9
"""Steps that no run gets to."""

ROWS = 512
"""Random rows, over and over."""


@dataclass(frozen=True)
class Shape:
    """A decoder of the Llama family, its output projection apart from its embedding."""

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    hidden: int

    @property
    def rows(self) -> int:
        """Of a step."""
        return BATCH_TOKENS // self.context

    def tokens(self) -> np.ndarray:
        """Random rows [ROWS, context + 1], uint16."""
        drawn = np.random.default_rng(1).integers(self.vocabulary, size=(ROWS, self.context + 1))
        return drawn.astype(np.uint16)


def task() -> tuple[str, dict[str, Any]]:
    """What the command line asks for: the name of a variant, and its options."""
    return sys.argv[1], json.loads(sys.argv[2])


def be_asked(variants: Mapping[str, Callable[..., None]]) -> None:
    """Be the variant that the command line asks for."""
    name, options = task()
    if "shape" in options:
        options["shape"] = Shape(**options["shape"])
    variants[name](**options)


def peak_mebibytes() -> float:
    """The largest resident memory of this process; what it was before it became this program does not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def answers() -> TextIO:
    """Standard output, from now on for answers alone: whatever else is printed goes to standard error."""
    found = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return found


def answer(stream: TextIO, **values: Any) -> None:
    """One line of JSON."""
    print(json.dumps(values), file=stream, flush=True)


class Turns:
    """The steps of this process, of which the other side says how many it may take."""

    def __init__(self) -> None:
        self.answers = answers()
        self.asked = 0
        self.stamps: list[float] = []

    def step(self) -> None:
        """To be called before each step."""
        self.stamps.append(time.perf_counter())
        if len(self.stamps) > self.asked:
            if self.asked:
                seconds = [after - before for before, after in zip(self.stamps, self.stamps[1:], strict=False)]
                answer(self.answers, seconds=seconds, peak_mebibytes=peak_mebibytes())
            line = sys.stdin.readline()
            if not line:
                os._exit(0)  # the other side has closed: a trainer has no better way out in the midst of a run
            self.asked, self.stamps = int(line), [time.perf_counter()]

"""The processes of benchmarks/training.py: variants that stay in memory and take steps in turn, and whole runs."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.peers.turns import BATCH_TOKENS
from environment import variables

PEERS = Path(".peers/bin/python")
OWN_COMMAND = (sys.executable, "-m", "benchmarks.own_training")
PEER_COMMAND = (str(PEERS), "benchmarks/peers/training.py")
TURN_SECONDS = 2.0
OURS_ALONE = {"GOMP_SPINCOUNT"}
"""Variables that this checkout sets and no peer does."""
SHARED = {
    "GOMP_SPINCOUNT": variables()["GOMP_SPINCOUNT"],
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
}
"""For every variant alike: glibc gives no memory back, so that no step has to fetch it anew."""


@dataclass(frozen=True)
class Variant:
    """One way to train, of ours or of a peer."""

    name: str
    task: str
    options: Mapping[str, Any]
    ours: bool = False
    times: float | None = None
    """How many times as fast ours is to be."""

    def command(self) -> list[str]:
        """What its process runs."""
        return [*(OWN_COMMAND if self.ours else PEER_COMMAND), self.task, json.dumps(self.options)]


@dataclass
class Taken:
    """What a variant has been measured at."""

    first: float
    """Seconds from the start of its process to the end of its first step."""
    peak_mebibytes: float
    turns: list[float] = field(default_factory=list)
    """Seconds of a step, by turns."""

    @property
    def median(self) -> float:
        """Tokens per second of the median turn."""
        return BATCH_TOKENS / statistics.median(self.turns)

    @property
    def best(self) -> float:
        """Tokens per second of the fastest turn."""
        return BATCH_TOKENS / min(self.turns)


def surroundings(variant: Variant, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a variant: ours is that of the checkout, a peer's lacks what the checkout alone sets."""
    kept = {name: value for name, value in os.environ.items() if variant.ours or name not in OURS_ALONE}
    return {**kept, **settings}


class Worker:
    """A variant's process."""

    def __init__(self, variant: Variant, settings: Mapping[str, str]) -> None:
        self.variant = variant
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the worker)
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            variant.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=surroundings(variant, settings),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End it: it goes when nobody asks any more."""
        self.process.communicate()
        self.log.close()

    def answer(self) -> dict[str, Any]:
        """Its next answer; its failure is ours, with what it printed."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise SystemExit(f"{self.variant.name} ended with {self.process.returncode}:\n{self.log.read()[-4000:]}")
        return json.loads(line)

    def take(self, steps: int) -> dict[str, Any]:
        """Have it take so many steps: seconds of each, and its peak memory."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self.answer()


def first_step(variant: Variant, settings: Mapping[str, str]) -> float:
    """Seconds from the start of a process to the end of its first step."""
    with Worker(variant, settings) as worker:
        worker.take(1)
        return time.perf_counter() - worker.began


@dataclass(frozen=True)
class Ended:
    """A run that came to its end."""

    seconds: float
    """From the start of its process to its result."""
    bits_per_byte: float
    """Of validation."""


def whole(variant: Variant) -> Ended:
    """A run that takes no turns."""
    with Worker(variant, {}) as worker:
        figures = worker.answer()
        return Ended(time.perf_counter() - worker.began, figures["validation_bits_per_byte"])


def in_turn(variants: Sequence[Variant], settings: Sequence[Mapping[str, str]], rounds: int) -> dict[str, Taken]:
    """Every variant by its name, each with its settings: started one after the other, then so many turns of each."""
    taken: dict[str, Taken] = {}
    steps: dict[str, int] = {}
    with ExitStack() as stack:
        workers = []
        for variant, own_settings in zip(variants, settings, strict=True):
            print(f"  {variant.name}", file=sys.stderr, flush=True)
            worker = stack.enter_context(Worker(variant, own_settings))
            worker.take(1)
            first = time.perf_counter() - worker.began
            warm = worker.take(2)
            taken[variant.name] = Taken(first, warm["peak_mebibytes"])
            steps[variant.name] = max(1, round(TURN_SECONDS / warm["seconds"][-1]))
            workers.append(worker)
        for _ in range(rounds):
            for worker in workers:
                name = worker.variant.name
                # The first step finds caches and cores as another variant left them, and does not count.
                found = worker.take(1 + steps[name])
                taken[name].turns.append(statistics.mean(found["seconds"][1:]))
                taken[name].peak_mebibytes = found["peak_mebibytes"]
    return taken

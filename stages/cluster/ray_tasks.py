"""Ray as an engine: one task an item, done again elsewhere if its node is lost."""

import logging
import os
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray

import environment
from stages.errors import ExitCode, StageError

Item = TypeVar("Item")
Result = TypeVar("Result")

TASKS_TO_A_CORE = 2
"""Handed to the cluster at a time: enough that no core waits, few enough for the driver to hold."""

ANSWER_SECONDS = 10.0

LOST_NODES = 10
"""Times that a task is done again after its node was lost."""


def task_environment() -> dict[str, str]:
    """The variables of a task's process: those of this checkout, which all nodes see under the same path."""
    names = [*environment.variables(), "HEADWATER_TRACKING", "HF_HOME", "HF_HUB_CACHE"]
    return {name: os.environ[name] for name in names if name in os.environ} | {"PYTHONPATH": str(environment.CHECKOUT)}


@dataclass(frozen=True)
class RayTasks:
    """The cluster that this process is connected to."""

    cores: int

    @classmethod
    def connect(cls, address: str | None) -> "RayTasks":
        """The cores of a running cluster; StageError if none answers."""
        connect(address, "data", {})
        return cls(int(ray.cluster_resources().get("CPU", 1)))

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
        """As `Engine.map`; the first error withdraws all tasks that are not done."""
        task: Any = ray.remote(num_cpus=1, max_retries=LOST_NODES)(call).remote
        shared, waiting = ray.put(partial(work_in, Path.cwd(), work)), iter(enumerate(items))
        places: dict[Any, int] = {}
        try:
            while True:
                while len(places) < TASKS_TO_A_CORE * self.cores and (following := next(waiting, None)):
                    place, item = following
                    places[task(shared, item)] = place
                if not places:
                    return
                (done,), _ = ray.wait(list(places), num_returns=1)
                yield places.pop(done), result_of(done)
        finally:
            for unfinished in places:
                ray.cancel(unfinished, force=True)


def connect(address: str | None, setting: str, variables: dict[str, str]) -> None:
    """Connect to a running cluster, for work with these variables; StageError if none answers. One is never started."""
    try:
        if address:
            require_answer(address)
        ray.init(
            address=address or "auto",
            runtime_env={"env_vars": task_environment() | variables},
            log_to_driver=setting != "data",  # there are many tasks, and they say nothing
            logging_level=logging.ERROR,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise StageError(
            ExitCode.CONFIGURATION,
            "no Ray cluster answers",
            f"{setting}.address {address or 'auto'}: {' '.join(str(error).split())}",
            "Start one with `ray start --head`, or choose local in cluster.yaml.",
        ) from error


def require_answer(address: str) -> None:
    """OSError or ValueError unless something listens at `host:port`; Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), ANSWER_SECONDS).close()


def work_in(folder: Path, work: Callable[[Item], Result], item: Item) -> Result:
    """What `work` makes of the item in the folder that the driver is in, for paths are relative to it."""
    os.chdir(folder)
    return work(item)


def call(work: Callable[[Item], Result], item: Item) -> Result:
    """The task. What it does comes once for all tasks, by Ray's store of objects."""
    return work(item)


def result_of(done: Any) -> Any:
    """What a task returned, or the error that it raised as the function had raised it."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())
        remedy = "Look at the cluster (`ray status`), and run again: what is done is kept."
        raise StageError(ExitCode.RESOURCES, "a task was lost", reason, remedy) from error

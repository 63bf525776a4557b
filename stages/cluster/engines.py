"""Map a function over items: in this process, in a pool of processes, or as tasks of a Ray cluster."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Protocol, TypeVar

from stages.cluster.settings import DataSettings

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Something that works on items side by side."""

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
        """The place of each item and what `work` makes of it, as they are done; the first error ends it all.

        `work` and the items reach other processes: `work` is a function of a module, or a partial of one.
        """
        ...


def in_order(results: Generator[tuple[int, Result], None, None]) -> Generator[Result, None, None]:
    """The results of `Engine.map` in the order of the items, each as soon as those before it are there."""
    waiting: dict[int, Result] = {}
    following = 0
    with contextlib.closing(results):
        for place, result in results:
            waiting[place] = result
            while following in waiting:
                yield waiting.pop(following)
                following += 1


class InProcess:
    """One item after the other, here."""

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
        """As `Engine.map`."""
        return ((place, work(item)) for place, item in enumerate(items))


def end_on_interrupt() -> None:
    """Set up a process of a pool: Ctrl-C ends it without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@dataclass(frozen=True)
class ProcessPool:
    """Several processes of this machine."""

    processes: int

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
        """As `Engine.map`."""
        processes = min(self.processes, len(items))
        if processes <= 1:
            yield from InProcess().map(work, items)
            return
        # Not forked: the thread that talks to the tracking server may hold a lock.
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), end_on_interrupt) as pool:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # one that starts would show a trace
            places: dict[Future[Result], int] = {pool.submit(work, item): place for place, item in enumerate(items)}
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
                for done in as_completed(places):
                    yield places[done], done.result()
            except BaseException:
                for process in multiprocessing.active_children():  # the pool would work on to the last item
                    process.kill()
                raise


def engine_of(settings: DataSettings) -> Engine:
    """The engine that the settings name; StageError for a Ray cluster that does not answer."""
    if settings.engine == "ray":
        from stages.cluster.ray_tasks import RayTasks  # most runs have no cluster, and Ray takes time to import

        return RayTasks.connect(settings.address)
    processes = len(os.sched_getaffinity(0)) if settings.processes == "auto" else settings.processes
    return ProcessPool(processes)

"""One run of the flow at a time in a checkout, and an end for what a killed one has left behind."""

import contextlib
import fcntl
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.files import written_whole
from flows.process_groups import Group, end
from flows.tracking import close_killed


class AlreadyRunningError(Exception):
    """Another run of the flow is at work in this checkout."""


@dataclass(frozen=True)
class Begun:
    """What a run of the flow has begun, to be ended by the next one if it cannot do so itself."""

    process: int
    flow_run: str
    tracked_run: str | None = None
    """The pipeline's run in MLflow."""
    groups: tuple[Group, ...] = ()

    @classmethod
    def read(cls, record: Path) -> "Begun | None":
        """What a run has noted down; None for no record, or one that a crash of the machine has cut off."""
        try:
            content = json.loads(record.read_text())
            return cls(**content | {"groups": tuple(Group(**group) for group in content["groups"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None


class Occupancy:
    """The run of the flow that is at work; what it begins stands in a file, for the case that it is killed."""

    def __init__(self, record: Path, begun: Begun) -> None:
        self._record = record
        self._begun = begun
        self._one_at_a_time = threading.Lock()
        self._write()

    def _write(self) -> None:
        with written_whole(self._record) as file:
            json.dump(asdict(self._begun), file)

    def note_group(self, group: Group) -> None:
        """A process group is at work; those that have ended are forgotten."""
        with self._one_at_a_time:
            live = tuple(one for one in self._begun.groups if one.members())
            self._begun = replace(self._begun, groups=(*live, group))
            self._write()

    def note_tracked_run(self, run: str) -> None:
        """The pipeline's run in MLflow is open."""
        with self._one_at_a_time:
            self._begun = replace(self._begun, tracked_run=run)
            self._write()


def close_in_prefect(flow_run: str) -> None:
    """Call a run of the flow and its tasks crashed, where the server still has them at work."""
    killed: State[Any] = Crashed(message="killed; its end was found by the next run")
    this_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run)]))
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):
        for task in client.read_task_runs(flow_run_filter=this_run):
            if task.state is None or not task.state.is_final():
                client.set_task_run_state(task.id, killed, force=True)
        state = client.read_flow_run(UUID(flow_run)).state
        if state is None or not state.is_final():
            client.set_flow_run_state(UUID(flow_run), killed, force=True)


def end_left_behind(begun: Begun) -> None:
    """Stop the processes of a run that was killed, and close its records."""
    print(f"ending what the killed run of process {begun.process} has left behind", flush=True)
    end(begun.groups)
    try:
        close_in_prefect(begun.flow_run)
    except Exception as error:
        print(f"WARNING: Prefect still shows it at work: {type(error).__name__}: {error}", file=sys.stderr)
    if begun.tracked_run:
        close_killed(begun.tracked_run)


@contextlib.contextmanager
def alone(home: Path, flow_run: str) -> Iterator[Occupancy]:
    """Keep other runs of the flow out for the body; AlreadyRunningError while there is one."""
    home.mkdir(parents=True, exist_ok=True)
    record = home / "flow.json"
    with (home / "flow.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read()
            raise AlreadyRunningError(f"process {holder} runs the flow here: wait until it ends, or stop it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        if left_behind := Begun.read(record):
            end_left_behind(left_behind)
        occupancy = Occupancy(record, Begun(os.getpid(), flow_run))
        try:
            yield occupancy
        finally:
            record.unlink(missing_ok=True)

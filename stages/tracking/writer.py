"""The process beside a stage that writes its MLflow run: reads messages on standard input until that ends."""

import contextlib
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import psutil

from stages.tracking.continuation import SYSTEM, held_record, keep, unfinished_run, worked_seconds, written_steps
from stages.tracking.entries import flatten, git_tags, reason
from stages.tracking.messages import Begin, End, Message, Point, unpack
from stages.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH_SECONDS = 2.0
SYSTEM_SECONDS = 10.0
MAX_BATCH = 1000
MAX_DIGEST_CHARACTERS = 36
END_STATES = {"ran": "FINISHED", "waiting": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


def tags(begin: Begin) -> dict[str, str]:
    """What a run is found and compared by."""
    environment = {
        "mlflow.parentRunId": os.environ.get("HEADWATER_PARENT_RUN", ""),
        "prefect.flow_run": os.environ.get("HEADWATER_FLOW_RUN", ""),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME", ""),
    }
    fixed = {
        "mlflow.runName": begin.stage,
        "mlflow.source.name": f"stages.{begin.stage}",
        "stage": begin.stage,
    }
    inputs = {f"input/{path}": digest for path, digest in begin.inputs.items()}
    return fixed | git_tags() | inputs | {name: value for name, value in environment.items() if value}


class RunWriter:
    """Writes one run: parameters, tags and inputs at once, curves in batches, the rest at the end."""

    def __init__(self, client: "MlflowClient", experiment: str, begin: Begin, record: TextIO) -> None:
        from mlflow.entities import Param, RunTag

        self._client = client
        self._pending: list[Point] = []
        named = tags(begin)
        stopped = unfinished_run(client, record, begin.fingerprint)
        self._run: str = stopped or client.create_run(experiment, tags=named).info.run_id
        keep(record, self._run, begin.fingerprint)
        self._written: dict[str, set[int]] = written_steps(client, self._run) if stopped else {}
        self.seconds_before = worked_seconds(self._written)
        if stopped:
            client.update_run(self._run, "RUNNING")
            client.log_batch(self._run, tags=[RunTag(name, value) for name, value in named.items()])
        parameters = [Param(name, value) for name, value in flatten(begin.parameters).items()]
        client.log_batch(self._run, params=parameters)
        self._log_inputs(begin.inputs)

    def _log_inputs(self, hashes: dict[str, str]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(path, digest[:MAX_DIGEST_CHARACTERS], "local", json.dumps({"uri": path})),
                [InputTag("mlflow.data.context", "input")],
            )
            for path, digest in hashes.items()
        ]
        if inputs:
            self._client.log_inputs(self._run, datasets=inputs)

    def add(self, point: Point) -> None:
        """Keep points until the next flush."""
        self._pending.append(point)

    def flush(self) -> None:
        """Write the points kept so far, one at a step of a curve.

        A stage that goes on takes the steps since its last state once more, and comes to the same figures.
        """
        from mlflow.entities import Metric

        metrics = []
        for point in self._pending:
            for name, value in point.values.items():
                steps = self._written.setdefault(name, set())
                if point.step not in steps:
                    steps.add(point.step)
                    metrics.append(Metric(name, value, point.time, point.step))
        self._pending = []
        for start in range(0, len(metrics), MAX_BATCH):
            self._client.log_batch(self._run, metrics=metrics[start : start + MAX_BATCH])

    def close(self, end: End | None) -> None:
        """Write final metrics and small files and close the run; without an End the stage was killed."""
        from mlflow.entities import Metric, RunTag

        self.flush()
        if end is None:
            self._client.set_terminated(self._run, "KILLED")
            return
        now = int(time.time() * 1000)
        figures = {f"final/{name}": value for name, value in end.metrics.items()}
        figures |= {f"cost/{name}": value for name, value in end.cost.items()}
        numbers = [Metric(name, float(value), now, 0) for name, value in figures.items() if not isinstance(value, str)]
        texts = [RunTag(name, value) for name, value in figures.items() if isinstance(value, str)]
        self._client.log_batch(self._run, metrics=numbers, tags=texts)
        for path in end.artifacts:
            with contextlib.suppress(FileNotFoundError):  # DVC was killed, started again, and has cleared the way
                self._client.log_artifact(self._run, path)
        self._client.set_terminated(self._run, END_STATES[end.state])


def system_point(process: psutil.Process, started: float) -> Point | None:
    """Processor share and memory of the stage's process, by seconds since `started`; None once it has ended.

    `started` is of the clock that never goes back.
    """
    try:
        values = {
            f"{SYSTEM}cpu_percentage": process.cpu_percent(),
            f"{SYSTEM}memory_mebibytes": process.memory_info().rss / 2**20,
        }
    except psutil.Error:
        return None
    return Point(values, round(time.monotonic() - started), int(time.time() * 1000))


def read(lines: TextIO, messages: "queue.SimpleQueue[Message | None]") -> None:
    """Pass on each line's message, then None; a stage that is killed may leave half a line."""
    with contextlib.suppress(ValueError):
        for line in lines:
            messages.put(unpack(line))
    messages.put(None)


def write(begin: Begin, messages: "queue.SimpleQueue[Message | None]") -> None:
    """Write the run until its End or the end of the messages."""
    client, experiment = open_store()
    with held_record(Path(begin.record)) as record:
        follow(RunWriter(client, experiment, begin, record), begin.pid, messages)


def follow(run: RunWriter, pid: int, messages: "queue.SimpleQueue[Message | None]") -> None:
    """Write what comes, and figures of the stage's process, until the messages end."""
    process = psutil.Process(pid) if psutil.pid_exists(pid) else None
    sampled = flushed = time.monotonic()
    started = sampled - run.seconds_before
    while True:
        try:
            message = messages.get(timeout=BATCH_SECONDS)
        except queue.Empty:
            message = Point({}, 0, 0)
        if not isinstance(message, Point):
            run.close(message if isinstance(message, End) else None)
            return
        run.add(message)
        now = time.monotonic()
        if process and now - sampled > SYSTEM_SECONDS and (point := system_point(process, started)):
            run.add(point)
            sampled = now
        if now - flushed > BATCH_SECONDS:
            run.flush()
            flushed = now


def main() -> None:
    """Write the run that standard input describes; a failure is one loud line and never the stage's."""
    os.nice(5)  # the work comes first
    messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    threading.Thread(target=read, args=(sys.stdin, messages), daemon=True).start()
    begin = messages.get()
    if not isinstance(begin, Begin):
        return
    try:
        write(begin, messages)
    except Exception as error:
        print(f"WARNING: MLflow has no whole run of {begin.stage}: {reason(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

"""The MLflow run of a whole pipeline run: the parent of its stages' runs, and the row that compares two pipelines."""

import os
import sys
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from flows.record import Figures
from stages.tracking.entries import flatten, git_tags, reason, recorded_hashes
from stages.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT_VARIABLE = "HEADWATER_PARENT_RUN"
FLOW_VARIABLE = "HEADWATER_FLOW_RUN"
BATCH = 100
"""Items that MLflow takes at once."""
CHILDREN_SECONDS = 60.0


def batches(items: Iterable[Any]) -> Iterable[list[Any]]:
    """Lists of at most `BATCH` items."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def warn(action: Callable[[], None]) -> None:
    """Do something with MLflow; a failure is one loud line and never the pipeline's."""
    try:
        action()
    except Exception as error:
        print(f"WARNING: MLflow has no whole run of this pipeline: {reason(error)}", file=sys.stderr)


class ParentRun:
    """The parent run, open from before the first stage until `finish`."""

    def __init__(self, client: "MlflowClient", experiment: str, flow_run: str) -> None:
        self.client = client
        self.experiment = experiment
        self.flow_run = flow_run
        tags = {
            "mlflow.runName": f"pipeline {time.strftime('%Y-%m-%d %H:%M:%S')}",
            "mlflow.source.name": "flows.pipeline",
            "prefect.flow_run": flow_run,
        }
        self.id: str = client.create_run(experiment, tags=tags | git_tags()).info.run_id

    def keep(self, page: Path) -> None:
        """Keep a file with the run."""
        warn(lambda: self.client.log_artifact(self.id, str(page)))

    def finish(self, metrics: Figures, stages: set[str], failed: bool) -> None:
        """Write parameters, figures and data hashes, wait until the runs of `stages` are whole, and close the run."""
        warn(lambda: self._write(metrics))
        warn(lambda: self._wait_for(stages))
        warn(lambda: self.client.set_terminated(self.id, "FAILED" if failed else "FINISHED"))

    def _write(self, metrics: Figures) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        parameters = flatten(YAML(typ="safe", pure=True).load(Path("params.yaml")))
        figures = {f"{stage}/{name}": value for stage in metrics for name, value in metrics[stage].items()}
        for names in batches(parameters):
            self.client.log_batch(self.id, params=[Param(name, parameters[name]) for name in names])
        numbers = {name: value for name, value in figures.items() if not isinstance(value, str)}
        for names in batches(numbers):
            self.client.log_batch(self.id, metrics=[Metric(name, float(numbers[name]), now, 0) for name in names])
        words = {name: value for name, value in figures.items() if isinstance(value, str)}
        tags = words | {f"output/{path}": digest for path, digest in recorded_hashes(Path("dvc.lock")).items()}
        for names in batches(tags):
            self.client.log_batch(self.id, tags=[RunTag(name, tags[name]) for name in names])

    def _closed_stages(self) -> set[str]:
        children = self.client.search_runs([self.experiment], f"tags.`mlflow.parentRunId` = '{self.id}'")
        return {child.data.tags["stage"] for child in children if child.info.status != "RUNNING"}

    def _wait_for(self, stages: set[str]) -> None:
        # A stage does not wait for its tracking process, which may still be at work.
        deadline = time.monotonic() + CHILDREN_SECONDS
        while missing := stages - self._closed_stages():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no finished run of {', '.join(sorted(missing))}")
            time.sleep(0.5)


def close_killed(run: str) -> None:
    """Close the run of a pipeline that was killed."""
    warn(lambda: open_store()[0].set_terminated(run, "KILLED"))


def is_tracked() -> bool:
    """Whether runs go to MLflow: yes, unless `HEADWATER_TRACKING` is `off`."""
    return os.environ.get("HEADWATER_TRACKING", "on") != "off"


def parent_run(flow_run: str) -> ParentRun | None:
    """Open the parent run and name it to the stages through their environment; None with tracking off or broken."""
    if not is_tracked():
        return None
    opened: list[ParentRun] = []
    warn(lambda: opened.append(ParentRun(*open_store(), flow_run)))
    if not opened:
        return None
    os.environ[PARENT_VARIABLE] = opened[0].id
    os.environ[FLOW_VARIABLE] = flow_run
    return opened[0]

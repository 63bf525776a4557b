"""Reproduce every DVC stage as one Prefect task, in the order that `dvc.yaml` implies; run once, or on a schedule.

`python -m flows.pipeline` ends with the exit code of the first stage that failed, and prints it on its last line.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Task, flow, get_client, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.exceptions import CancelledRun
from prefect.logging.handlers import APILogWorker
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows import recovery, registry, sources
from flows.alone import AlreadyRunningError, Occupancy, alone
from flows.graph import Graph, UnknownStageError, read_graph
from flows.parameters import begin_check, leave_check, wrong_parameters
from flows.record import headline, read_figures, stamp, write_record
from flows.reproduction import CONFIGURATION, FAILED, GO_ON, INTERRUPTED, Outcome, Reproducer, stale_stages
from flows.server import ServerError, prefect_server
from flows.stopping import heard_requests, stopping
from flows.tracking import ParentRun, close_killed, is_tracked, parent_run

RUNS = Path("runs")
REPORT = Path("data/report/index.html")
SETTLE_SECONDS = 20.0
MAX_STAGES = 64
KNOWN_ERRORS = (UnknownStageError, sources.SourcesError, registry.RegistryError)
STATE_NAMES = {"ran": "Ran", "cached": "Cached", "waiting": "Waiting", "failed": "Failed", "interrupted": "Interrupted"}


def prefect_home() -> Path:
    """The folder where the flow, DVC's words and the server are kept between runs."""
    return Path(os.environ["PREFECT_HOME"])


class PipelineError(Exception):
    """A run that did not come to its end; `code` is that of the first stage that failed, in running order."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Run:
    """The stages of one run of the flow: which are brought up to date, and how each ended."""

    def __init__(self, graph: Graph, from_stage: str | None, force: bool, occupancy: Occupancy) -> None:
        self.occupancy = occupancy
        self.graph = graph
        self.force = force
        self.stages = graph.behind(from_stage) if from_stage else graph.stages
        self.stale = set(self.stages) if force else stale_stages().intersection(self.stages)
        self.to_run = {stage for first in self.stale for stage in graph.behind(first)}
        self.reproducer = Reproducer(prefect_home() / "stages", occupancy.note_group)
        self._ended: dict[str, Outcome] = {}

    def bring_up_to_date(self, stage: str) -> Outcome:
        """Reproduce a stage unless DVC has said that it and all before it are fresh."""
        try:
            is_fresh = stage not in self.to_run
            outcome = Outcome(stage, "cached") if is_fresh else self.reproducer.reproduce(stage, self.force)
        except Exception as error:
            outcome = Outcome(stage, "failed", FAILED, f"{type(error).__name__}: {error}")
        self._ended[stage] = outcome
        return outcome

    @property
    def outcomes(self) -> list[Outcome]:
        """How the stages that have ended did so, in running order."""
        return [self._ended[stage] for stage in self.stages if stage in self._ended]

    @property
    def failure(self) -> Outcome | None:
        """The first stage, in running order, that did not give its output."""
        lost = "its task has left no result; Prefect's page may say why"
        ended = (self._ended.get(stage) or Outcome(stage, "failed", FAILED, lost) for stage in self.stages)
        return next((outcome for outcome in ended if not outcome.is_done), None)


def final_state(outcome: Outcome) -> State[Any]:
    """A task's final state: one that is not done holds its successors back."""
    name, message = STATE_NAMES[outcome.state], outcome.message or f"{outcome.seconds:.1f} s"
    if outcome.is_done:
        return Completed(name=name, message=message)
    return Failed(name=name, message=f"{message} (exit code {outcome.code})")


@task(name="sources", cache_policy=NO_CACHE, persist_result=False)
def write_sources() -> None:
    """Write down what collect depends on."""
    sources.update()


def leave_table(outcomes: list[Outcome], key: str) -> None:
    """Leave headline figures on Prefect's page; the run does not depend on it."""
    stages = [outcome.stage for outcome in outcomes]
    figures = headline(outcomes, read_figures(stages, "metrics.json"), read_figures(stages, "timings.json"))
    try:
        create_markdown_artifact(figures, key=key)
    except Exception as error:
        print(f"WARNING: Prefect has no table {key}: {type(error).__name__}: {error}", file=sys.stderr)


def stage_task(run: Run) -> Task[[str], State[Any]]:
    """The task that brings one stage of `run` up to date."""

    @task(cache_policy=NO_CACHE, persist_result=False)
    def bring_up_to_date(stage: str) -> State[Any]:
        outcome = run.bring_up_to_date(stage)
        cost = f"{outcome.seconds:.1f} s" if outcome.state == "ran" else outcome.message
        line = f"{stage}: {outcome.state}{f' ({cost})' if cost else ''}"
        print(line + "\n", end="", flush=True)  # in one write: stages end side by side
        get_run_logger().info(line)
        if outcome.state == "ran":
            leave_table([outcome], key=stage.replace("_", "-"))
        return final_state(outcome)

    return bring_up_to_date


def bring_all_up_to_date(run: Run) -> None:
    """One task for each stage, each waiting for those it reads from; independent ones run side by side."""
    bring_up_to_date = stage_task(run)
    futures: dict[str, Any] = {}
    for stage in run.stages:
        waits_for = [futures[before] for before in run.graph.upstream[stage] if before in futures]
        named = bring_up_to_date.with_options(name=stage, task_run_name=stage)
        futures[stage] = named.submit(stage, return_state=False, wait_for=waits_for)
    for future in futures.values():
        future.wait()


def settle() -> None:
    """Wait until the server has on record how every task of this flow run ended; it hears of it some time after."""
    this_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run.id)]))
    deadline = time.monotonic() + SETTLE_SECONDS
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            states = [run.state for run in client.read_task_runs(flow_run_filter=this_run)]
            if all(state and (state.is_final() or state.name == "NotReady") for state in states):
                return
            time.sleep(0.2)


def conclude(run: Run, tracked: ParentRun | None) -> None:
    """Leave the headline table and, where something ran to the end, the stamped report."""
    leave_table(run.outcomes, key="headline")
    has_run = any(outcome.state == "ran" for outcome in run.outcomes)
    if run.failure is None and has_run and REPORT.is_file():
        page = write_record(RUNS, stamp(datetime.now().astimezone()), run.outcomes, REPORT)
        print(f"report: {page}", flush=True)
        if tracked:
            tracked.keep(page)
    if tracked:
        stages = {outcome.stage for outcome in run.outcomes if outcome.state == "ran"}
        tracked.finish(read_figures(run.stages, "metrics.json"), stages, failed=run.failure is not None)
    if run.failure is None and registry.STAGE in run.stages and is_tracked():
        registry.register_run(tracked.id if tracked else None)


STAGES_AS_THREADS: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=MAX_STAGES)


def told(error: Exception) -> str:
    """What an error says, with its class where that is not one of ours."""
    return str(error) if isinstance(error, KNOWN_ERRORS) else f"{type(error).__name__}: {error}"


def not_started(why: str) -> State[Any]:
    """The final state of a run that found nothing that it could start."""
    message = " ".join(f"not started: {why}".split())
    return Failed(message=message, data=PipelineError(CONFIGURATION, message))


def carry_out(run: Run) -> State[Any]:
    """Bring the stages up to date; the final state of the flow."""
    tracked = parent_run(flow_run.id) if run.to_run else None
    try:
        if tracked:
            run.occupancy.note_tracked_run(tracked.id)
        with stopping(run.reproducer):
            bring_all_up_to_date(run)
        recovery.mend(prefect_home())
        settle()
        conclude(run, tracked)
    except BaseException:
        if tracked:
            close_killed(tracked.id)
        raise
    if run.reproducer.is_stopped:
        return Cancelled(message=f"interrupted. {GO_ON}")
    if run.failure:
        message = f"{run.failure.stage} {run.failure.state}: {run.failure.message}"
        name = STATE_NAMES[run.failure.state]
        return Failed(name=name, message=message, data=PipelineError(run.failure.code, message))
    ran = sum(outcome.state == "ran" for outcome in run.outcomes)
    return Completed(message=f"{ran} of {len(run.stages)} stages ran, the others were fresh")


@flow(name="pipeline", task_runner=STAGES_AS_THREADS, persist_result=False)
def pipeline(from_stage: str | None = None, force: bool = False) -> State[Any]:
    """Bring every stage up to date, or `from_stage` and what lies behind it; `force` also runs what is fresh."""
    try:
        with alone(prefect_home(), flow_run.id) as occupancy:
            try:
                begin_check(from_stage)
                recovery.mend(prefect_home())
                write_sources()
                registry.check_rule()
                run = Run(read_graph(Path("dvc.yaml")), from_stage, force, occupancy)
                wrong = wrong_parameters(from_stage) if run.stale else ""
            except Exception as error:
                wrong = wrong_parameters(None) or told(error)  # a wrong parameter may be what led to the error
            finally:
                leave_check(from_stage)
            return not_started(wrong) if wrong else carry_out(run)
    except AlreadyRunningError as error:
        return not_started(str(error))


def hand_over() -> None:
    """Send what Prefect still holds in its queues: once the server is gone it would try for a minute."""
    EventsWorker.drain_all(timeout=SETTLE_SECONDS)
    APILogWorker.drain_all(timeout=SETTLE_SECONDS)


def run_once(from_stage: str | None, force: bool) -> int:
    """Run the flow against this checkout's server; the exit code is the first failed stage's."""
    try:
        with prefect_server() as url, temporary_settings({PREFECT_API_URL: url}):
            try:
                pipeline(from_stage, force)
            finally:
                hand_over()
    except (PipelineError, registry.RegistryError) as failure:
        code, message = failure.code, str(failure)
    except ServerError as failure:
        code, message = CONFIGURATION, str(failure)
    except (CancelledRun, KeyboardInterrupt):
        code, message = INTERRUPTED, f"interrupted. {GO_ON}"
    else:
        code, message = 0, "done"
    print(f"pipeline: {message}; exit code {code}", flush=True)
    return code


def serve(cron: str) -> int:
    """Serve the flow on a schedule, one run at a time, until Ctrl-C; the exit code."""
    try:
        with prefect_server() as url, temporary_settings({PREFECT_API_URL: url}):
            print(f"schedule: {cron}; runs are shown at {url.removesuffix('/api')}/deployments", flush=True)
            pipeline.serve(name="pipeline", cron=cron, limit=1, parameters={"from_stage": None, "force": False})
    except ServerError as failure:
        print(f"schedule: {failure}", file=sys.stderr)
        return CONFIGURATION
    return 0


def main() -> None:
    """Read the command line and run once, or serve."""
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description=__doc__)
    parser.add_argument(
        "--from-stage", metavar="STAGE", help="this stage and what lies behind it; default: every stage"
    )
    parser.add_argument("--force", action="store_true", help="run fresh stages too")
    commands = parser.add_subparsers(dest="command")
    schedule = commands.add_parser("serve", help="serve the flow on a schedule")
    schedule.add_argument("--cron", default="0 3 * * *", help="when, in cron's five fields (default: %(default)s)")
    options = parser.parse_args()
    if options.command == "serve":
        sys.exit(serve(options.cron))
    for number in heard_requests():
        signal.signal(number, signal.default_int_handler)
    # Side by side: MLflow takes seconds to load, and so do the stages' code and the server's start.
    with contextlib.suppress(Exception):  # the run will say what is wrong with dvc.yaml
        begin_check(options.from_stage)
    threading.Thread(target=import_module, args=("mlflow",), daemon=True).start()
    sys.exit(run_once(options.from_stage, options.force))


if __name__ == "__main__":
    main()

"""A finished run of the tiny pipeline in which single stages are run anew, killed, and compared with what they were."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from ruamel.yaml import YAML

from flows.graph import read_graph
from flows.recovery import KEPT, kept_stages
from flows.server import PrefectServer
from stages.execution.lock import Holder
from stages.execution.processes import has_ended
from tests.projects import Project

PATIENCE_SECONDS = 300.0
STEPLESS = ("final/", "cost/")
Found = TypeVar("Found")


class DisturbedError(AssertionError):
    """Something that a kill has changed."""


def require(holds: bool, what: str) -> None:
    """DisturbedError unless it holds."""
    if not holds:
        raise DisturbedError(what)


def wait_for(what: str, find: Callable[[], Found | None]) -> Found:
    """The first answer that is not None; DisturbedError if there is none in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := find()) is None:
        require(time.monotonic() < deadline, f"waited in vain for {what}")
        time.sleep(0.02)
    return found


def ends_at_once(process: psutil.Process) -> bool:
    """Whether a process has ended but for what the system does after it has freed its locks."""
    for _ in range(100):
        if has_ended(process):
            return True
        time.sleep(0.01)
    return False


@dataclass(frozen=True)
class Kill:
    """What is killed, how, and when: `moment` is a share of the seconds that the stage is at work."""

    target: str
    signal: signal.Signals
    moment: float
    by_flow: bool
    """Whether the flow has started DVC."""

    def __str__(self) -> str:
        return (
            f"{self.signal.name} of {self.target} at {self.moment:.2f}, started by {'flow' if self.by_flow else 'dvc'}"
        )


@dataclass
class Disturbed:
    """The copy, and what the undisturbed run left: its record, seconds at work, and curves' steps are compared with."""

    project: Project
    record: dict[str, Any]
    work_seconds: dict[str, float]

    @classmethod
    def copy(cls, finished: Project, folder: Path) -> "Disturbed":
        """A copy of a finished run, without what it holds of the machine's state."""
        leave_out = shutil.ignore_patterns("__pycache__", ".prefect", "mlflow.db*", "mlartifacts", "tmp")
        shutil.copytree(finished.folder, folder, ignore=leave_out)
        project = Project(folder)
        require(project.run("python", "-m", "stages.tracking.store")[0] == 0, "no store")
        timings = {stage: json.loads((folder / f"data/{stage}/timings.json").read_text()) for stage in project.stages()}
        return cls(project, project.lock(), {stage: cost["work_seconds"] for stage, cost in timings.items()})

    def run(self, stage: str, kills: Sequence[Kill]) -> Iterator[tuple[Kill, bool]]:
        """Run a stage from nothing until it is done, all starts but the last ended by a kill; which came in time."""
        with self.pipeline_up_to(stage):
            runs_before = self.forget(stage)
            by_flow = False
            for kill in kills:
                # Only the flow may go on where the flow was killed: DVC and the stage are still at work.
                by_flow = by_flow or kill.by_flow
                code, came_in_time = self.start_and_kill(stage, kill, by_flow)
                yield kill, came_in_time
                if code == 0:  # it has survived, or had done all
                    self.require_undisturbed(stage, runs_before)
                    runs_before = self.forget(stage)
            self.finish(stage, by_flow)
            self.require_undisturbed(stage, runs_before)

    @contextlib.contextmanager
    def pipeline_up_to(self, stage: str) -> Iterator[None]:
        """Leave what reads from `stage` out of both files for the body, so that the flow runs that stage alone."""
        pipeline, parameters = (self.project.folder / name for name in ("dvc.yaml", "params.yaml"))
        whole, yaml = {path: path.read_text() for path in (pipeline, parameters)}, YAML(typ="safe", pure=True)
        stages, sections = yaml.load(whole[pipeline]), yaml.load(whole[parameters])
        for later in read_graph(pipeline).behind(stage)[1:]:
            del stages["stages"][later], sections[later]
        yaml.dump(stages, pipeline)
        yaml.dump(sections, parameters)
        try:
            yield
        finally:
            for path, text in whole.items():
                path.write_text(text)

    def forget(self, stage: str) -> set[str]:
        """Take a stage's results out of the record and the cache of runs; the runs in MLflow that it has had so far."""
        lock, yaml = self.project.folder / "dvc.lock", YAML(typ="safe", pure=True)
        content = yaml.load(lock)
        content["stages"].pop(stage, None)
        yaml.dump(content, lock)
        shutil.rmtree(self.project.folder / ".dvc/cache/runs", ignore_errors=True)
        kept = self.project.folder / ".prefect" / KEPT
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({name: entry for name, entry in kept_stages(kept).items() if name != stage}))
        shutil.rmtree(self.project.folder / f"data/{stage}")
        return self.tracked_runs(stage)

    def start(self, stage: str, by_flow: bool) -> subprocess.Popen[bytes]:
        """Start the flow or DVC in a session of its own, as an operator does; what they print is kept."""
        flow = ["python", "-m", "flows.pipeline", "--from-stage", stage]
        with (self.project.folder / "campaign.log").open("ab") as log:
            if not by_flow:
                code, words = self.project.run("python", "-m", "flows.recovery")
                require(code == 0, words)
                log.write(words.encode())
            return subprocess.Popen(
                flow if by_flow else ["dvc", "repro", "--single-item", stage],
                cwd=self.project.folder,
                env=self.project.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def holder(self, stage: str) -> psutil.Process | None:
        """The live process at work on a stage."""
        try:
            holder = Holder.read((self.project.folder / f"data/{stage}/lock").read_text())
        except FileNotFoundError:
            return None
        return holder.process.find() if holder else None

    def start_and_kill(self, stage: str, kill: Kill, by_flow: bool) -> tuple[int, bool]:
        """Start, wait for the moment, kill; the code it ended with, and whether what was to be killed was alive."""
        before = self.holder(stage)
        launcher = self.start(stage, by_flow)

        def new_holder() -> psutil.Process | bool | None:
            holder = self.holder(stage)
            if holder is None or holder == before:
                return False if launcher.poll() is not None else None
            return holder

        holder = wait_for(f"{stage} at work", new_holder)
        if isinstance(holder, bool):  # the kill before came when all was done
            self.require_success(stage, launcher.returncode)
            return 0, False
        require(before is None or ends_at_once(before), f"two processes at work on {stage}")
        time.sleep(kill.moment * self.work_seconds[stage])
        came_in_time = self.strike(stage, kill, launcher, by_flow)
        # A flow goes on without its server, and ends by itself after all else but kill -9.
        return launcher.wait(PATIENCE_SECONDS), came_in_time

    def strike(self, stage: str, kill: Kill, launcher: subprocess.Popen[bytes], by_flow: bool) -> bool:
        """Send the signal; False if it came too late."""
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            if kill.target == "server":
                server = json.loads((self.project.folder / ".prefect/server.json").read_text())
                os.kill(server["pid"], kill.signal)
                return launcher.poll() is None
            if kill.target == "flow":
                launcher.send_signal(kill.signal)
                return launcher.poll() is None
            holder = self.holder(stage)
            dvc = self.dvc_of(launcher, by_flow)
            if kill.target == "stage" and holder:
                holder.send_signal(kill.signal)
                return True
            if kill.target in ("dvc", "group") and dvc:
                (os.kill if kill.target == "dvc" else os.killpg)(dvc.pid, kill.signal)
                return True
        return False

    def dvc_of(self, launcher: subprocess.Popen[bytes], by_flow: bool) -> psutil.Process | None:
        """DVC's process, while it lives."""
        if not by_flow:
            return psutil.Process(launcher.pid) if launcher.poll() is None else None
        children = psutil.Process(launcher.pid).children()
        return next((child for child in children if "--single-item" in child.cmdline()), None)

    def finish(self, stage: str, by_flow: bool) -> None:
        """Run to the end."""
        self.require_success(stage, self.start(stage, by_flow).wait(PATIENCE_SECONDS))

    def require_success(self, stage: str, code: int) -> None:
        """DisturbedError, with the end of what was printed, if the code of what was started anew is not 0."""
        log = (self.project.folder / "campaign.log").read_text(errors="replace")
        require(code == 0, f"{stage} ended with {code} after it was killed:\n{log[-4000:]}")

    def require_undisturbed(self, stage: str, runs_before: set[str]) -> None:
        """Same record, nobody left at work, whole curves in one run."""
        require(self.project.lock()[stage] == self.record[stage], f"{stage} has another record than undisturbed")
        require(self.holder(stage) is None, f"{stage} is still at work")
        require(not (self.project.folder / f"data/{stage}/unfinished").exists(), f"{stage} left what it did not finish")
        require(not (self.project.folder / f"data/{stage}/checkpoints").exists(), f"{stage} left its states")
        curves = self.project.folder / f"data/{stage}/curves.csv"
        if curves.is_file():
            runs = self.tracked_runs(stage) - runs_before
            steps = [int(float(line.split(",")[0])) for line in curves.read_text().splitlines()[1:]]
            # Whatever was killed after the stage had done its work, and before DVC had noted it down, adds one.
            wait_for(f"finished runs of {stage}", lambda: all(self.status(run) == "FINISHED" for run in runs) or None)
            for run in runs:
                self.require_whole_curves(run, steps)

    def ask(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        """Rows of the tracking database."""
        with contextlib.closing(sqlite3.connect(self.project.folder / "mlflow.db", timeout=60)) as database:
            return database.execute(question, values).fetchall()

    def tracked_runs(self, stage: str) -> set[str]:
        """The runs of a stage."""
        return {run for (run,) in self.ask("select run_uuid from tags where key = 'stage' and value = ?", stage)}

    def status(self, run: str) -> str:
        """Of a run."""
        ((status,),) = self.ask("select status from runs where run_uuid = ?", run)
        return str(status)

    def require_whole_curves(self, run: str, steps: list[int]) -> None:
        """No curve has two points at a step, and the loss or reward has one at every row of the stage's own curve."""
        points: dict[str, list[int]] = {}
        for name, step in self.ask("select key, step from metrics where run_uuid = ? order by step", run):
            if not name.startswith(STEPLESS):
                points.setdefault(name, []).append(step)
        for name, found in points.items():
            require(len(found) == len(set(found)), f"{name} has two points at a step: {found}")
        whole = points["loss" if "loss" in points else "reward"]
        require(whole == steps, f"a curve has points at {whole} instead of {steps}")

    def require_all_closed(self) -> None:
        """No run is left open in the tracking database."""
        self.finish("report", by_flow=True)
        wait_for("closed runs", lambda: None if self.ask("select 1 from runs where status = 'RUNNING'") else True)

    @contextlib.contextmanager
    def kept_tidy(self) -> Iterator[None]:
        """One Prefect server for the body, so that not every flow starts its own; no process is left after it."""
        try:
            with PrefectServer(self.project.folder / ".prefect").use():
                yield
        finally:
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    if process.cwd() == str(self.project.folder):
                        process.kill()

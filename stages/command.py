"""Turn a stage's `run` into a command: paths, typed parameters, seed, lock, checkpoints, tracking, errors."""

import argparse
import gc
import inspect
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from stages.cluster.rank import launcher, rank
from stages.cluster.settings import ALONE, LaunchSettings, read_data_settings, read_launch_settings
from stages.errors import ExitCode, StageError
from stages.execution import inputs
from stages.execution.handover import hand_over
from stages.execution.lock import take_lock
from stages.execution.outcome import Status, code_of, status, status_of, timings, write_json, write_status
from stages.execution.outputs import whole_outputs
from stages.parameters import Metrics, Section, read_section
from stages.seeding import seed_process

Run = Callable[..., Metrics]

PARAMETERS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
CLUSTER = Path("cluster.yaml")
RECORD = Path("dvc.lock")
TRACKING_RECORD = "tracking.json"
NOT_ARTIFACTS = {"lock", "status.json", "timings.json", TRACKING_RECORD}
NOT_OPTIONS = {"params", "checkpoints", "attributes", "engine", "launch", "logger"}


def parameters_class(run: Run) -> type[Section]:
    """The class of `run`'s `params`."""
    section = inspect.signature(run).parameters["params"].annotation
    if not (isinstance(section, type) and issubclass(section, Section)):
        raise TypeError(f"params of {run.__module__}.run must be a Section, not {section!r}")
    return section


def path_arguments(run: Run) -> list[str]:
    """The names of `run`'s arguments that are options of its command, `output` last as it is declared."""
    arguments = inspect.signature(run).parameters
    names = [name for name in arguments if name not in NOT_OPTIONS]
    for name in names:
        if arguments[name].annotation is not Path:
            raise TypeError(f"argument {name!r} of {run.__module__}.run must be a Path")
    return names


def describe(section: type[Section], prefix: str = "") -> list[str]:
    """A line for each parameter: its dotted name and what its docstring says."""
    lines: list[str] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        inner = kind if isinstance(kind, type) and issubclass(kind, Section) else None
        lines.append(f"  {prefix}{name}: {' '.join((field.description or (inner and inner.__doc__) or '').split())}")
        if inner:
            lines += describe(inner, f"{prefix}{name}.")
    return lines


def parser(name: str, run: Run) -> argparse.ArgumentParser:
    """The stage's options, with its own words as help."""
    module = sys.modules[run.__module__].__doc__ or ""
    parameters = "\n".join(describe(parameters_class(run)))
    result = argparse.ArgumentParser(
        prog=f"python -m stages.{name}",
        description=f"{module}\n\n{inspect.getdoc(run) or ''}",
        epilog=f"parameters, read from the section {name!r} of {PARAMETERS}:\n{parameters}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for argument in path_arguments(run):
        result.add_argument(f"--{argument.replace('_', '-')}", type=Path, required=True, metavar="PATH")
    if "checkpoints" in inspect.signature(run).parameters:
        words = "a checkpoint folder kept elsewhere; refused if of other parameters, inputs or code"
        result.add_argument("--resume-from", type=Path, metavar="FOLDER", help=words)
    return result


@dataclass(frozen=True)
class Call:
    """One call of a stage: its name, function, validated parameters and paths."""

    name: str
    run: Run
    params: Section
    paths: dict[str, Path]
    resume_from: Path | None
    """A checkpoint folder that the user has named."""

    @property
    def output(self) -> Path:
        """The stage's folder under `data/`."""
        return self.paths["output"]

    @property
    def checkpoints(self) -> Path:
        """Where the states of unfinished runs lie, one folder for each fingerprint."""
        return self.output / "checkpoints"

    @property
    def attributes(self) -> Path:
        """What is kept from run to run to save time: never an output, and the stage does without it."""
        return self.output / "attributes"

    @property
    def input_paths(self) -> list[Path]:
        """The paths that the command names, without its output."""
        return [path for name, path in self.paths.items() if name != "output"]

    @cached_property
    def dependencies(self) -> list[Path]:
        """All that the result depends on beside the parameters."""
        return inputs.declared(self.name, PIPELINE, "deps") + self.input_paths

    @property
    def takes(self) -> set[str]:
        """The names of the function's arguments."""
        return set(inspect.signature(self.run).parameters)

    @cached_property
    def launch(self) -> LaunchSettings:
        """Who starts the processes that train together, if the stage trains."""
        return read_launch_settings(CLUSTER) if "launch" in self.takes else ALONE

    def fingerprint(self) -> str:
        """That of parameters, inputs and code if the stage can be continued; otherwise none."""
        if "checkpoints" not in self.takes:
            return ""
        return inputs.fingerprint(self.params.model_dump(mode="json"), self.dependencies)


def is_tracked() -> bool:
    """Whether runs go to MLflow: yes, unless `HEADWATER_TRACKING` is `off`."""
    return os.environ.get("HEADWATER_TRACKING", "on") != "off"


class Tracking(AbstractContextManager["Tracking"]):
    """The stage's MLflow run, or nothing with tracking off."""

    def __init__(self, call: Call, fingerprint: str) -> None:
        self.output = call.output
        self.run = None
        if is_tracked():
            from stages.tracking.entries import input_hashes, recorded_hashes
            from stages.tracking.messages import Begin
            from stages.tracking.run import StageRun

            hashes = input_hashes(map(str, call.input_paths), recorded_hashes(RECORD))
            record = str(call.output / TRACKING_RECORD)
            parameters = call.params.model_dump(mode="json")
            self.run = StageRun(Begin(call.name, parameters, hashes, os.getpid(), record, fingerprint))

    def logger(self) -> Any:
        """A Lightning logger for the run; None with tracking off."""
        if self.run is None:
            return None
        from stages.tracking.logger import RunLogger  # imports Lightning, which only a training stage does anyway

        return RunLogger(self.run)

    def finish(self, state: str, metrics: Metrics, cost: dict[str, float | str]) -> None:
        """Close the run with the stage's state, metrics, small files and cost."""
        if self.run is not None:
            from stages.tracking.run import small_files

            self.run.finish(state, metrics, small_files(self.output, leave_out=NOT_ARTIFACTS), cost)
            self.run = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self.finish(status(code_of(error), "").state, {}, {})


def take_part(name: str, run: Run, paths: dict[str, Path]) -> Status:
    """Run a stage as one of the ranks that its first has started, which exits when it has done its part; how it ended.

    It holds no lock, tracks nothing and writes nothing.
    """
    try:
        call = Call(name, run, read_section(PARAMETERS, name, parameters_class(run)), paths, None)
        seed_process(getattr(call.params, "seed", 0))
        checkpoints = call.checkpoints / call.fingerprint()
        run(params=call.params, **paths, checkpoints=checkpoints, logger=None, launch=call.launch)
    except SystemExit:
        return status(0, "")
    except BaseException as error:
        ended = status_of(error)
        print(f"{name}, rank {rank()}: {ended.message}", file=sys.stderr)
        return ended
    raise AssertionError("a rank that is not the first has come to the end of its stage")


def work(call: Call, before: inputs.Snapshot, fingerprint: str, tracking: Tracking) -> Metrics:
    """Seed and run the stage; StageError if anything that it depends on is not as it was before."""
    extra: dict[str, Any] = {}
    if fingerprint:
        extra["checkpoints"] = inputs.open_checkpoints(call.checkpoints, fingerprint, call.resume_from)
    if "attributes" in call.takes:
        extra["attributes"] = call.attributes
    if "logger" in call.takes:
        extra["logger"] = tracking.logger()
    if "engine" in call.takes:
        from stages.cluster.engines import engine_of

        extra["engine"] = engine_of(read_data_settings(CLUSTER))
    if "launch" in call.takes:
        extra["launch"] = call.launch
    seed_process(getattr(call.params, "seed", 0))
    outputs = inputs.declared(call.name, PIPELINE, "outs", "metrics")
    with whole_outputs(call.output, outputs) as folder:
        metrics = call.run(params=call.params, **call.paths | {"output": folder}, **extra)
    inputs.require_unchanged(before, inputs.snapshot(call.dependencies))
    if read_section(PARAMETERS, call.name, type(call.params)) != call.params:
        raise StageError(ExitCode.DATA, "changed while running", str(PARAMETERS), "Run the stage again.")
    return metrics


def carry_out(call: Call) -> None:
    """Run a stage here, tracked, and leave its metrics and timings beside its output."""
    # A clock may be set back while a stage runs: only the second one measures.
    began, ticks = time.time(), time.monotonic()
    before, fingerprint = inputs.snapshot(call.dependencies), call.fingerprint()
    with Tracking(call, fingerprint) as tracking:
        metrics = work(call, before, fingerprint, tracking)
        write_json(call.output / "metrics.json", metrics)
        cost = timings(began, time.monotonic() - ticks)
        write_json(call.output / "timings.json", cost)
        tracking.finish("ran", metrics, cost)
    # Once all is in place: a stage that is forced to run again is to work, not to resume what it has done.
    shutil.rmtree(call.checkpoints, ignore_errors=True)


def perform(name: str, run: Run, paths: dict[str, Path], resume_from: Path | None) -> Status:
    """Run a stage alone, here or on a cluster, and leave its status beside its output."""
    output = paths["output"]
    try:
        if launcher() is None:  # for ranks, the process that has them started holds it
            take_lock(output / "lock")
        (output / "status.json").unlink(missing_ok=True)
        call = Call(name, run, read_section(PARAMETERS, name, parameters_class(run)), paths, resume_from)
        inputs.require_readable(call.input_paths)
        if launcher() is None and call.launch.launcher != "local":
            inputs.open_checkpoints(call.checkpoints, call.fingerprint(), resume_from)  # before any rank looks there
            ended = hand_over(name, paths, call.launch, as_rank)
        else:
            carry_out(call)
            ended = status(0, "")
    except BaseException as error:
        ended = status_of(error)
        print(f"{name}: {ended.message}", file=sys.stderr)
    write_status(output, ended)
    return ended


def interrupt(signal_number: int, frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C: the stage saves what it can and exits with 130."""
    raise KeyboardInterrupt


def importable(run: Run) -> Run:
    """`run` under its module's own name and not that of `__main__`: other processes find what it hands to an engine."""
    main = sys.modules["__main__"].__spec__
    is_spread = "engine" in inspect.signature(run).parameters
    return import_module(main.name).run if main and is_spread else run  # type: ignore[no-any-return]


def as_rank(name: str, paths: dict[str, Path]) -> Status:
    """Run a stage in a process that a cluster has started as one of its ranks; how it ended."""
    run = import_module(f"stages.{name}").run
    return take_part(name, run, paths) if rank() > 0 else perform(name, run, paths, None)


def command(name: str, run: Run) -> None:
    """Run the stage `name` as its command line says, and exit with the code of how it ended."""
    gc.freeze()  # what has been imported stays: no search for garbage looks through it again, nor that at the exit
    run = importable(run)
    paths = vars(parser(name, run).parse_args())
    resume_from = paths.pop("resume_from", None)
    for number in (signal.SIGINT, signal.SIGTERM):  # a process in the background would ignore the first
        signal.signal(number, interrupt)
    if rank() > 0:
        sys.exit(take_part(name, run, paths).code)
    sys.exit(perform(name, run, paths, resume_from).code)

"""What running the pipeline costs beside its work: the flow, a stage's own process, and settings side by side.

Measured on copies of the tiny pipeline, so that what is beside the work is not lost in it.
"""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.record import Row, table, write
from tests.projects import Project, copy_of_this

FLOW_SECONDS = 20.0
IDLE_FLOW_SECONDS = 25.0
IDLE_DVC_SECONDS = 3.0
OWN_SECONDS = 0.5
TIMES_FASTER = 1.6
ROUNDS = 3
"""Of everything by DVC alone, by the flow, and of a start of the server, in turn."""
IDLE_RUNS = 3
PAIRS = 5
WORKERS = 2
SETTINGS = [f"pretrain.learning_rate={rate}" for rate in ("0.006", "0.008", "0.012", "0.014")]

FLOW = ("python", "-m", "flows.pipeline")
DVC = ("dvc", "repro", "--quiet")
IDLE_STAGE = '''
"""A stage with the dependencies and parameters of pretrain, that does nothing."""

from pathlib import Path

from stages.command import command
from stages.parameters import Metrics
from stages.pretrain import Params


def run(params: Params, train: Path, validation: Path, tokenizer: Path, output: Path, checkpoints: Path) -> Metrics:
    """Do nothing."""
    return {}


if __name__ == "__main__":
    command("pretrain", run)
'''
IDLE_COMMAND = (
    "python -m stages.idle --train data/encode/train --validation data/encode/validation"
    " --tokenizer data/train_tokenizer/tokenizer --output data/idle"
)
SERVER_START = """
import time
from pathlib import Path
from flows.server import PrefectServer
start = time.perf_counter()
with PrefectServer(Path(".prefect")).use():
    print(time.perf_counter() - start)
"""


def answer(project: Project, *command: str) -> str:
    """What a command prints in a project; its failure is ours."""
    code, output = project.run(*command)
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{output[-4000:]}")
    return output


def seconds(project: Project, *command: str) -> float:
    """How long a command takes; what it leaves at work, as a stage does its tracking, is not waited for."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.run(
            command, cwd=project.folder, env=project.environment(), stdout=output, stderr=output, check=False
        )
        took = time.perf_counter() - start
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output.read()[-4000:]}")
    return took


def finished_copy(folder: Path) -> Project:
    """The tiny pipeline, run by DVC and committed."""
    project = copy_of_this(folder)
    for command in (("python", "-m", "flows.sources"), ("python", "-m", "stages.tracking.store"), DVC):
        answer(project, *command)
    person = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.invalid")
    for arguments in (("add", "--all"), (*person, "commit", "--quiet", "--message", "Run")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return project


def comparison_row(one_by_one: Project, side_by_side: Project) -> Row:
    """The same settings one after the other and side by side, each in a copy that has run none of them."""
    command = ("python", "-m", "flows.compare", *SETTINGS, "--workers")
    slow, fast = seconds(one_by_one, *command, "1"), seconds(side_by_side, *command, str(WORKERS))
    what = f"compare: {len(SETTINGS)} settings of the tiny pipeline, {WORKERS} workers on {os.cpu_count()} cores"
    return Row(
        what, "s", round(fast, 1), round(slow / TIMES_FASTER, 1), round(slow, 1), "1 worker", round(slow / fast, 2)
    )


def server_start(project: Project) -> float:
    """Seconds until the Prefect server answers."""
    return float(answer(project, "python", "-c", SERVER_START).split()[-1])


def flow_rows(project: Project) -> list[Row]:
    """Everything by DVC alone and by the flow, both tracked; what Prefect adds, with its server's start apart."""
    rounds = [
        (seconds(project, *DVC, "--force"), seconds(project, *FLOW, "--force"), server_start(project))
        for _ in range(ROUNDS)
    ]
    alone, by_flow, start = map(statistics.median, zip(*rounds, strict=True))
    beside = statistics.median(flow - dvc - server for dvc, flow, server in rounds)
    idle = statistics.median(seconds(project, *FLOW) for _ in range(IDLE_RUNS))
    idle_dvc = statistics.median(seconds(project, *DVC) for _ in range(IDLE_RUNS))
    return [
        Row("tiny pipeline: the flow", "s", round(by_flow, 1), None, round(alone, 1), "dvc repro", runs=ROUNDS),
        Row("the Prefect server's start", "s", round(start, 1), runs=ROUNDS),
        Row("the flow beside dvc repro, without that start", "s", round(beside, 1), FLOW_SECONDS, runs=ROUNDS),
        Row("nothing to do: the flow, with that start", "s", round(idle, 1), IDLE_FLOW_SECONDS, runs=IDLE_RUNS),
        Row("nothing to do: dvc repro", "s", round(idle_dvc, 2), IDLE_DVC_SECONDS, runs=IDLE_RUNS),
    ]


def own_row(project: Project) -> Row:
    """A stage that does nothing, with pretrain's inputs and tracking, less the import of its module."""
    (project.folder / "stages/idle.py").write_text(IDLE_STAGE)
    imports = ("python", "-c", "import gc, stages.idle; gc.freeze()")  # as a stage does: its exit is short
    pairs = [(seconds(project, *IDLE_COMMAND.split()), seconds(project, *imports)) for _ in range(PAIRS)]
    own = statistics.median(whole - bare for whole, bare in pairs)
    return Row("a stage's process beside its work and imports", "s", round(own, 2), OWN_SECONDS, runs=PAIRS)


def main() -> None:
    """Measure, write the results, print them."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (finished_copy(Path(folder, name)) for name in ("first", "second"))
        rows = [comparison_row(first, second), *flow_rows(first), own_row(first)]
    path = write("operations", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

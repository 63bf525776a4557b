"""SLURM as a launcher: a job that runs a stage's own command once for each rank, followed to its end from here."""

import hashlib
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import environment
from stages.cluster.rank import LAUNCHER
from stages.cluster.settings import LaunchSettings
from stages.errors import ExitCode, StageError

FOLDER = "slurm"
"""In a stage's folder: the script of its job, and what the job says."""

STATUS = "status.json"
"""In a stage's folder: the last thing that the first rank writes."""

LOOK_SECONDS = 1.0


def job_name(stage: str, checkout: Path = environment.CHECKOUT) -> str:
    """The name of a stage's job, of which a checkout has one at a time: the stage's lock sees to that."""
    return f"headwater-{stage}-{hashlib.sha256(str(checkout).encode()).hexdigest()[:8]}"


def job_script(command: Sequence[str]) -> str:
    """A script that runs `command` once for each rank; if one fails, the others are ended, but not when it is done.

    The ranks of a node share the cores that the job has there, whatever the submitting host has.
    """
    lines = [
        "#!/bin/bash",
        f"export {LAUNCHER}=slurm OMP_NUM_THREADS=$SLURM_CPUS_ON_NODE",
        "cores=${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}  # which srun no longer takes by itself",
        f"exec srun --kill-on-bad-exit=1 --wait=0 $cores {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"


def submission(stage: str, script: Path, log: Path, settings: LaunchSettings) -> list[str]:
    """The command that submits a script and waits for the job's end.

    A job that is pre-empted, or whose node fails, is put back into the queue and goes on from its newest state, unless
    the user's options say otherwise.
    """
    ours: dict[str, str | int | None] = {
        "job-name": job_name(stage),
        "nodes": settings.nodes,
        "ntasks-per-node": settings.processes,
        "output": str(log),
        "open-mode": "append",
    }
    pairs = {"requeue": None} | settings.slurm | ours
    options = [f"--{name}" if value is None else f"--{name}={value}" for name, value in pairs.items()]
    return ["sbatch", "--wait", "--parsable", *options, str(script)]


def ask(*command: str) -> str:
    """What one of SLURM's commands says; StageError where it fails, or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = " ".join(str(getattr(error, "stderr", None) or error).split())
        raise no_slurm(f"{command[0]}: {reason}") from error


def no_slurm(reason: str) -> StageError:
    """SLURM does not answer, or does not take a job."""
    remedy = "Mend training.slurm in cluster.yaml, or set training.launcher to local."
    return StageError(ExitCode.CONFIGURATION, "SLURM takes no job", reason, remedy)


def is_queued(stage: str) -> bool:
    """Whether there is a job of the stage that has not ended."""
    return bool(ask("squeue", "--me", "--noheader", f"--name={job_name(stage)}").strip())


def is_over(stage: str) -> bool:
    """Whether the job is known to have ended; not while SLURM does not answer."""
    try:
        return not is_queued(stage)
    except StageError:
        return False


def cancel(stage: str) -> None:
    """Ask the stage's job to end; its ranks then write their state."""
    ask("scancel", "--me", f"--name={job_name(stage)}")


def end_left_behind(stage: str) -> None:
    """End the job of a start that was killed, and wait until it is gone: its ranks would write beside new ones."""
    if is_queued(stage):
        cancel(stage)
    while is_queued(stage):
        time.sleep(LOOK_SECONDS)


class Log:
    """What a job writes, passed on to standard error as it comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.passed = 0

    def pass_on(self) -> None:
        """Print what is new; there is no file before the job has begun."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.passed)
                new = file.read()
            self.passed += len(new)
            sys.stderr.buffer.write(new)
            sys.stderr.flush()


def follow(stage: str, waiting: subprocess.Popen[str], words: Log, last_word: Path) -> None:
    """Pass on what the job writes until it has ended.

    `sbatch` looks more and more rarely, in the end twice a minute: after the ranks' last word, look here as well.
    """
    while waiting.poll() is None and not (last_word.exists() and is_over(stage)):
        time.sleep(LOOK_SECONDS)
        words.pass_on()
    waiting.terminate()


def submit(stage: str, script: Path, log: Path, settings: LaunchSettings) -> subprocess.Popen[str]:
    """Submit a script; the process ends with its job."""
    try:
        return subprocess.Popen(
            submission(stage, script, log, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a terminal sends Ctrl-C to the children of its process as well
        )
    except OSError as error:
        raise no_slurm(f"sbatch: {error}") from error


def run_job(stage: str, command: Sequence[str], output: Path, settings: LaunchSettings) -> BaseException:
    """Run `command` as the ranks of a job; what has to be reported if they leave no word of how they ended.

    Asked to end, this ends the job, and waits for it.
    """
    folder = (output / FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    script, log = folder / "job.sh", folder / "job.log"
    end_left_behind(stage)
    script.write_text(job_script(command), encoding="utf-8")
    log.unlink(missing_ok=True)
    words, waiting = Log(log), submit(stage, script, log, settings)
    interrupted = None
    try:
        follow(stage, waiting, words, output / STATUS)
    except KeyboardInterrupt as request:
        interrupted = request
        cancel(stage)
        follow(stage, waiting, words, output / STATUS)
    words.pass_on()
    number, refusal = waiting.communicate()
    return interrupted or how_it_ended(number.strip(), refusal, waiting.returncode, log)


def how_it_ended(number: str, refusal: str, code: int, log: Path) -> StageError:
    """What to say of a job whose first rank has said nothing."""
    if not number:
        return no_slurm(f"sbatch: {' '.join(refusal.split())}")
    return StageError(
        ExitCode.RESOURCES,
        "the job was lost",
        f"job {number} ended with code {code}; {log} says more",
        "Run it again: it goes on from what was saved.",
    )

"""A stage whose ranks run elsewhere: this process holds its lock, and waits for what they leave.

DVC's process stays where it is. It takes the stage's lock, so that two never write, and has a cluster run the stage's
own command once for each rank. There rank zero does what the one process of a machine does: it tracks, and it writes
outputs, metrics, timings and status; the others write nothing. Meanwhile this process passes on what they print. It
ends them when it is asked to end, and itself with the code that rank zero has left in status.json.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stages.cluster.settings import LaunchSettings
from stages.execution.outcome import Status, read_status


def rank_command(stage: str, paths: dict[str, Path]) -> list[str]:
    """The command of one rank: the stage's own."""
    options = [word for name, path in paths.items() for word in (f"--{name.replace('_', '-')}", str(path))]
    return [sys.executable, "-m", f"stages.{stage}", *options]


def hand_over(
    stage: str, paths: dict[str, Path], settings: LaunchSettings, rank: Callable[[str, dict[str, Path]], Status]
) -> Status:
    """Run the stage's ranks elsewhere, each by its command, or by `rank` in a process that there is; how it ended."""
    output = paths["output"]
    if settings.launcher == "slurm":
        from stages.cluster.slurm import run_job

        error = run_job(stage, rank_command(stage, paths), output, settings)
    else:
        from stages.cluster.ray_workers import run_workers  # most runs have no cluster, and Ray takes time to import

        error = run_workers(stage, partial(rank, stage, paths), output, settings)
    ended = read_status(output)
    if ended is None:
        raise error
    return ended

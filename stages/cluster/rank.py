"""Which of the processes that train together this one is, and who has started it."""

import os

LAUNCHER = "HEADWATER_LAUNCHER"
"""Set for the ranks that a launcher other than `local` has started, to its name."""

LOCAL = "LOCAL_RANK"
"""By which Lightning tells the processes that it starts beside the first."""

NUMBERS = {"slurm": "SLURM_PROCID", "ray": "RANK"}
"""Where a launcher writes the number of a rank."""

LOST = "another rank was lost"
"""How a rank's message begins that has not failed by itself."""


def launcher() -> str | None:
    """The launcher that has started this process as a rank; None for the stage's command itself, and what it starts."""
    return os.environ.get(LAUNCHER)


def rank() -> int:
    """The rank of this process; 0 for the first, and for one that nobody has started beside another."""
    return int(os.environ.get(NUMBERS.get(launcher() or "", LOCAL), "0"))

"""Which of the processes that train together this one is."""

import os

VARIABLE = "LOCAL_RANK"
"""By which Lightning tells the processes that it starts beside the first."""


def rank() -> int:
    """The rank of this process; 0 for the first, and for one that nobody has started beside another."""
    return int(os.environ.get(VARIABLE, "0"))

"""The processes that share a run's batches: each takes its part of every step, and rank zero alone writes."""

import torch
import torch.distributed
from torch import Tensor

from stages.cluster.rank import LOST
from stages.errors import ExitCode, StageError


def require_enough(ranks: int, fewest: int, what: str) -> None:
    """StageError unless every rank has something to read at every step, of which some have as few as `fewest`."""
    if ranks > fewest:
        raise StageError(
            ExitCode.CONFIGURATION,
            "more processes than there is to share",
            f"{ranks} processes, steps of {fewest} {what}",
            "Lower training.processes or training.nodes in cluster.yaml, or raise the size of a step.",
        )


def is_shared() -> bool:
    """Whether this process is one of several ranks that have found each other."""
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def summed(counts: list[int], device: torch.device) -> list[int]:
    """Counts over all ranks."""
    if not is_shared():
        return counts
    found = torch.tensor(counts, device=device)
    torch.distributed.all_reduce(found)
    return found.tolist()


def require_same_step(step: int, device: torch.device) -> None:
    """StageError unless all ranks go on after the same step: a shared folder may show a new file to some of them late.

    All of them ask together.
    """
    latest = most(step, device)
    earliest = -most(-step, device)
    if earliest != latest:
        raise StageError(
            ExitCode.RESOURCES,
            "the ranks have not read the same state",
            f"of step {earliest} and of step {latest}",
            "Run it again; if it stays so, see that all nodes share the folder of the checkpoints.",
        )


def leave_group() -> None:
    """Close the connections to the other ranks, who then learn that this one is lost."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def lost_rank(error: RuntimeError) -> StageError | None:
    """What to say of an error that came of another rank's end; None for any other."""
    if not (isinstance(error, torch.distributed.DistError) or "gloo" in str(error)):
        return None
    reason = str(error).strip().splitlines()[0]
    remedy = "See what ended it above or in its node's log, and run again: it goes on from what was saved."
    return StageError(ExitCode.RESOURCES, LOST, reason, remedy)


def most(count: int, device: torch.device) -> int:
    """The largest of the ranks' counts."""
    found = torch.tensor(count, device=device)
    if is_shared():
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
    return int(found)


def summed_loss(loss: Tensor) -> Tensor:
    """A loss over all ranks, without its graph."""
    found = loss.detach().clone()
    if is_shared():
        torch.distributed.all_reduce(found)
    return found

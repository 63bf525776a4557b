"""The processes that share a run's batches: each takes its part of every step, and rank zero alone writes."""

import torch
import torch.distributed
from torch import Tensor

from stages.errors import ExitCode, StageError


def require_enough(ranks: int, fewest: int, what: str) -> None:
    """StageError unless every rank has something to read at every step, of which some have as few as `fewest`."""
    if ranks > fewest:
        raise StageError(
            ExitCode.CONFIGURATION,
            "more processes than there is to share",
            f"{ranks} processes, steps of {fewest} {what}",
            "Lower training.processes in cluster.yaml, or raise the size of a step.",
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


def summed_loss(loss: Tensor) -> Tensor:
    """A loss over all ranks, without its graph."""
    found = loss.detach().clone()
    if is_shared():
        torch.distributed.all_reduce(found)
    return found

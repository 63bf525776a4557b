"""A Lightning logger that hands its curves to a stage's run."""

from argparse import Namespace
from typing import Any

from lightning.pytorch.loggers import Logger

from stages.tracking.run import StageRun


class RunLogger(Logger):
    """Curves of a Lightning trainer as points of the stage's run, as they come; only rank zero writes."""

    def __init__(self, run: StageRun) -> None:
        super().__init__()
        self._run = run

    @property
    def name(self) -> str:
        """The logger's name in Lightning's own files."""
        return "headwater"

    @property
    def version(self) -> str:
        """Unused: a stage has one run."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run already holds the stage's whole section."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add points to the curves of the run."""
        self._run.log(metrics, step or 0)

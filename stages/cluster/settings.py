"""What `cluster.yaml` says: where stages run, which changes no result."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stages.parameters import Section, read_section


class DataSettings(Section):
    """Where the shards of text are worked on."""

    engine: Literal["local", "ray"]
    """Processes of this machine, or tasks of a Ray cluster."""
    processes: Literal["auto"] | Annotated[int, Field(gt=0)]
    """Of the local engine; `auto` for one to each core that this process may use."""
    address: str | None
    """Of the Ray cluster, `host:port`; null for the one that RAY_ADDRESS names, or that runs on this machine."""


class TrainingSettings(Section):
    """Where the training stages run."""

    processes: int = Field(gt=0)
    """Ranks on this machine, each with its share of every batch; a number of GPUs, or of processes without one."""


def read_training_settings(path: Path) -> TrainingSettings:
    """The section `training` of the file at `path`; one process where there is no such file."""
    return read_section(path, "training", TrainingSettings) if path.exists() else TrainingSettings(processes=1)


def read_data_settings(path: Path) -> DataSettings:
    """The section `data` of the file at `path`; one process on this machine where there is no such file."""
    if not path.exists():
        return DataSettings(engine="local", processes=1, address=None)
    return read_section(path, "data", DataSettings)

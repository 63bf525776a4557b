"""What `cluster.yaml` says: where stages run, which changes no result."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.parameters import Section, read_section


class DataSettings(Section):
    """Where the shards of text are worked on."""

    engine: Literal["local", "ray"]
    """Processes of this machine, or tasks of a Ray cluster."""
    processes: Literal["auto"] | Annotated[int, Field(gt=0)]
    """Of the local engine; `auto` for one to each core that this process may use."""
    address: str | None
    """Of the Ray cluster, `host:port`; null for the one that RAY_ADDRESS names, or that runs on this machine."""


class RayWorkers(Section):
    """What the launcher `ray` asks its cluster for."""

    address: str | None
    """As `data.address`."""
    cores: int = Field(gt=0)
    """Of each rank, and so many threads; a GPU comes with them where the cluster has some."""


class LaunchSettings(Section):
    """Who starts the ranks, the processes that share every batch of a training stage, and what each of them holds."""

    launcher: Literal["local", "slurm", "ray"]
    """Lightning on this machine, a job of SLURM, or Ray Train on a cluster that is running."""
    nodes: int = Field(gt=0)
    """Machines; the launcher `local` has one."""
    processes: int = Field(gt=0)
    """Ranks on each machine: one to a GPU, or each with its part of the cores."""
    strategy: Literal["ddp", "fsdp"]
    """Whether each rank holds all weights with their optimizers' states, or a part of them."""
    slurm: dict[str, str | int | None]
    """More options of `sbatch`, by their long names; null for one without a value."""
    ray: RayWorkers
    """Of the launcher `ray`."""

    @model_validator(mode="after")
    def stays_on_this_machine(self) -> Self:
        """Refuse more machines than a launcher reaches."""
        if self.launcher == "local" and self.nodes > 1:
            raise ValueError("nodes must be 1 with launcher local: choose slurm or ray for more machines")
        return self

    @property
    def ranks(self) -> int:
        """How many processes share a batch."""
        return self.nodes * self.processes


ALONE = LaunchSettings(
    launcher="local", nodes=1, processes=1, strategy="ddp", slurm={}, ray=RayWorkers(address=None, cores=1)
)
"""One process."""


def read_launch_settings(path: Path) -> LaunchSettings:
    """The section `training` of the file at `path`; one process where there is no such file."""
    return read_section(path, "training", LaunchSettings) if path.exists() else ALONE


def read_data_settings(path: Path) -> DataSettings:
    """The section `data` of the file at `path`; one process on this machine where there is no such file."""
    if not path.exists():
        return DataSettings(engine="local", processes=1, address=None)
    return read_section(path, "data", DataSettings)

"""What Lightning is told of the ranks that train together: who starts them, and what each of them holds."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy

from stages.cluster.settings import LaunchSettings


def environment_of(settings: LaunchSettings) -> ClusterEnvironment:
    """How a rank learns which one it is; named, for Lightning would guess from a shell inside of a job."""
    if settings.launcher == "slurm":
        return SLURMEnvironment(auto_requeue=False)  # it would write and queue by itself, where a job and we do
    return LightningEnvironment()


def strategy_of(settings: LaunchSettings) -> Strategy | str:
    """What each rank holds, and what it hears from the others."""
    if settings.ranks == 1:
        return "auto"
    if settings.strategy == "fsdp":
        return ModelParallelStrategy(data_parallel_size=settings.ranks, tensor_parallel_size=1)
    return DDPStrategy(forward_sync_buffers=False, gradient_as_bucket_view=True)


def trainer_options(settings: LaunchSettings) -> dict[str, Any]:
    """The options of a Lightning trainer that say where it runs."""
    return {
        "accelerator": "auto",
        "devices": settings.processes,
        "num_nodes": settings.nodes,
        "strategy": strategy_of(settings),
        "plugins": [environment_of(settings)],
    }


def end_others(trainer: Trainer) -> None:
    """End the ranks that Lightning has started here, before its watch over them ends this process with them."""
    processes = getattr(trainer.strategy.launcher, "procs", [])
    for process in processes:
        process.kill()
    processes.clear()

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
    if settings.launcher == "ray":
        from ray.train.lightning import RayLightningEnvironment

        return RayLightningEnvironment()
    return LightningEnvironment()


def strategies(launcher: str) -> tuple[type[DDPStrategy], type[ModelParallelStrategy]]:
    """Those for whole and for sharded weights; in a worker, Ray names the device. It has none of its own for FSDP2."""
    if launcher != "ray":
        return DDPStrategy, ModelParallelStrategy
    from ray.train.lightning import RayDDPStrategy
    from ray.train.torch import get_device

    class RayModelParallelStrategy(ModelParallelStrategy):
        root_device = property(lambda self: get_device())

    return RayDDPStrategy, RayModelParallelStrategy


def strategy_of(settings: LaunchSettings) -> Strategy | str:
    """What each rank holds, and what it hears from the others."""
    if settings.ranks == 1:
        return "auto"
    for_whole, for_sharded = strategies(settings.launcher)
    if settings.strategy == "fsdp":
        return for_sharded(data_parallel_size=settings.ranks, tensor_parallel_size=1)
    return for_whole(forward_sync_buffers=False, gradient_as_bucket_view=True)


def trainer_options(settings: LaunchSettings) -> dict[str, Any]:
    """The options of a Lightning trainer that say where it runs."""
    by_ray = settings.launcher == "ray"  # whose workers are told of their own device alone
    return {
        "accelerator": "auto",
        "devices": "auto" if by_ray else settings.processes,
        "num_nodes": 1 if by_ray else settings.nodes,
        "strategy": strategy_of(settings),
        "plugins": [environment_of(settings)],
    }


def end_others(trainer: Trainer) -> None:
    """End the ranks that Lightning has started here, before its watch over them ends this process with them."""
    processes = getattr(trainer.strategy.launcher, "procs", [])
    for process in processes:
        process.kill()
    processes.clear()

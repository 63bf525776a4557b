"""Weights and optimizer states of which every rank holds a part (FSDP2), and what is whole of them again."""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from stages.model.transformer import Block
from stages.training.acceleration import compilation

Model = TypeVar("Model", bound=nn.Module)


def sharded_copy(model: Model, mesh: DeviceMesh) -> Model:
    """A copy of `model` whose weights are cut by rows over the ranks of a mesh of one dimension.

    The weights of a block are gathered while it is at work. What stands outside of blocks stays gathered from the
    forward pass to the end of the backward one, so that a loss may use the output projection, or the embedding that it
    is tied to, after the forward pass.
    """
    result = copy.deepcopy(model)
    for original, module in zip(model.modules(), list(result.modules()), strict=True):
        if original._compiled_call_impl is not None:  # which copying leaves out
            module.compile(**compilation())
        if isinstance(module, Block):
            fully_shard(module, mesh=mesh)
    fully_shard(result, mesh=mesh, reshard_after_forward=False)
    return result


def whole(tensor: Tensor) -> Tensor:
    """The tensor with the parts of all ranks, which ask for it together.

    A sharded one comes to main memory, and to that of rank zero alone, which writes; the others are left with nothing.
    """
    if not isinstance(tensor, DTensor):
        return tensor
    gathered = tensor.full_tensor()
    return gathered.cpu() if torch.distributed.get_rank() == 0 else gathered.new_empty(0)


def whole_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state as if its weights were whole; see `whole`."""
    content = optimizer.state_dict()
    state = {
        index: {name: whole(value) if isinstance(value, Tensor) else value for name, value in values.items()}
        for index, values in content["state"].items()
    }
    return content | {"state": state}


def load_part(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load this rank's part of an optimizer's state over whole weights."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    parts = {
        index: {name: part_like(weights[index], value) for name, value in values.items()}
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": parts})


def part_like(weight: Tensor, value: Any) -> Any:
    """What belongs to a rank's part of a sharded weight; the whole of what has another shape, such as a counter."""
    if isinstance(weight, DTensor) and isinstance(value, Tensor) and value.shape == weight.shape:
        return distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)
    return value


def local_part(tensor: Tensor) -> Tensor:
    """What this rank holds of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gathered_rows(parts: Tensor, like: Tensor) -> Tensor:
    """Matrices [count, rows, columns] on every rank, of which each gives its rows of those that are cut as `like`."""
    if not isinstance(like, DTensor):
        return parts
    shape = torch.Size((len(parts), *like.shape))
    stride = (like.shape[0] * like.shape[1], like.shape[1], 1)
    return DTensor.from_local(parts, like.device_mesh, [Shard(1)], shape=shape, stride=stride).full_tensor()


def own_rows(matrices: Tensor, like: Tensor) -> Tensor:
    """This rank's rows of whole matrices [count, rows, columns], cut as `like` is."""
    if not isinstance(like, DTensor):
        return matrices
    return distribute_tensor(matrices, like.device_mesh, [Shard(1)], src_data_rank=None).to_local()

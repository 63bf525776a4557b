"""Low-rank adaptation: the model stays as it is, small factors beside its projections learn, and are merged at the end.

With B A added to W (Hu et al. 2022, https://arxiv.org/abs/2106.09685) there is no gradient, moment or state of W.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.errors import ExitCode, StageError
from stages.model.checkpoint import write_json
from stages.model.scalar import ScalarModel
from stages.model.transformer import Linear, Transformer, Trunk
from stages.parameters import Metrics, Section
from stages.seeding import key_hash

# peft is imported where there is an adapter: it takes almost as long to load as all else in a stage.

Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

PREFIX = "base_model.model."
"""Of every name in an adapter's file: peft wraps a model twice."""


class LoraSettings(Section):
    """The factors B [outputs, rank] and A [rank, inputs] of every target; A is drawn, B begins at 0."""

    rank: int = Field(gt=0)
    """At most the shorter side of every target."""
    alpha: int = Field(gt=0)
    """alpha / rank is the weight of B A beside W."""
    targets: list[Projection] = Field(min_length=1)
    """Projections of every block; all of them learn most (Schulman et al. 2025,
    https://thinkingmachines.ai/blog/lora/)."""


class AdapterSettings(Section):
    """What the stages have that can train an adapter instead of the weights."""

    lora: LoraSettings | None
    """null: all weights learn. {rank, alpha, targets} where memory is short or an adapter is wanted to pass on: AdamW
    moves it, whatever optimizer.matrices says, at about ten times the learning rate (Schulman et al. 2025)."""


def trunk_of(model: Transformer | ScalarModel) -> Trunk:
    """Embedding, blocks and final norm: the part that is called `model` in transformers' classes."""
    return (model.trunk if isinstance(model, ScalarModel) else model).model


def require_fitting(trunk: Trunk, settings: LoraSettings) -> None:
    """StageError if the rank is more than a target can have."""
    for name, module in trunk.named_modules():
        if isinstance(module, Linear) and name.endswith(tuple(settings.targets)):
            rows, columns = module.weight.shape
            if settings.rank > min(rows, columns):
                where = f"{settings.rank}, and {name} is {rows} by {columns}"
                remedy = f"Lower lora.rank to {min(rows, columns)} or less."
                raise StageError(ExitCode.CONFIGURATION, "rank of the adapter too high", where, remedy)


def adapted_layers(trunk: Trunk) -> list[tuple[str, Any]]:
    """The projections that have factors, as peft's layers, by name."""
    from peft.tuners.lora import LoraLayer

    return [(name, module) for name, module in trunk.named_modules() if isinstance(module, LoraLayer)]


def projection(factor: nn.Linear) -> Linear:
    """The same weight in a layer of ours."""
    result = Linear(factor.in_features, factor.out_features)
    result.weight = factor.weight
    return result


def insert_adapter(model: Transformer | ScalarModel, settings: LoraSettings | None, seed: int) -> Metrics:
    """Freeze `model`, but for a scalar model's head, and put an adapter into it; the metric says how much learns then.

    Without settings nothing is done. A new adapter leaves what the model computes as it was.
    """
    if settings is None:
        return {}
    from peft import LoraConfig, TaskType, inject_adapter_in_model

    trunk = trunk_of(model)
    require_fitting(trunk, settings)
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS if isinstance(model, ScalarModel) else TaskType.CAUSAL_LM,
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.targets),
    )
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key_hash(seed, "adapter") >> 1)
        inject_adapter_in_model(config, trunk)
    for _, layer in adapted_layers(trunk):
        # peft would multiply by its factors in fp32, which beside products in bf16 takes a quarter of a step.
        layer.cast_input_dtype_enabled = False
        for factors in (layer.lora_A, layer.lora_B):
            factors.update({name: projection(factor) for name, factor in factors.items()})
    if isinstance(model, ScalarModel):
        model.head.requires_grad_(True)
    return {"trained_parameters": sum(weight.numel() for weight in model.parameters() if weight.requires_grad)}


def adapter_weights(model: Transformer | ScalarModel) -> dict[str, Tensor]:
    """The adapter by peft's names for `LlamaForCausalLM` and its like, or a classifier, whose `score` is our head.

    transformers' classifiers have no bias there, and no gain and shift: what they give differs by constants.
    """
    from peft import get_peft_model_state_dict

    factors = get_peft_model_state_dict(trunk_of(model), save_embedding_layers=False)
    head = model.head.state_dict() if isinstance(model, ScalarModel) else {}
    named = {f"model.{name}": weight for name, weight in factors.items()}
    named |= {f"score.{name}": weight for name, weight in head.items()}
    return {PREFIX + name: weight.detach().cpu().contiguous() for name, weight in named.items()}


def merge_adapter(model: Transformer | ScalarModel) -> None:
    """Add alpha / rank * B A to every target's W, in fp32, and take the adapter out."""
    trunk = trunk_of(model)
    for name, layer in adapted_layers(trunk):
        layer.merge()
        parent, _, attribute = name.rpartition(".")
        setattr(trunk.get_submodule(parent), attribute, layer.get_base_layer())
    del trunk.peft_config


def save_and_merge(folder: Path, model: Transformer | ScalarModel, record: dict[str, Any]) -> None:
    """Write the adapter of `model` as peft does, `record` beside it as `run.json`, and merge it.

    Without an adapter the record is all there is: DVC knows no output that may be missing, and warns of an empty one.
    No path of the base model is written, which would hold on this machine alone; its hash is in the record.
    """
    folder.mkdir(parents=True)
    write_json(folder / "run.json", record)
    trunk: Any = trunk_of(model)
    if not hasattr(trunk, "peft_config"):
        return
    (config,) = trunk.peft_config.values()
    changes = {
        "inference_mode": True,
        "modules_to_save": ["score"] if isinstance(model, ScalarModel) else None,
        "target_modules": sorted(config.target_modules),  # a set, whose order is another in every process
    }
    write_json(folder / "adapter_config.json", config.to_dict() | changes)
    save_file(adapter_weights(model), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    merge_adapter(model)

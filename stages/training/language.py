"""What pretrain, finetune and instruct have in common: a language model trained on packed rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from pydantic import Field

from stages.cluster.settings import LaunchSettings
from stages.hashing import path_hash
from stages.model.checkpoint import save_model
from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.parameters import Section
from stages.text.shards import TokenRows
from stages.text.tokenizer import Tokenizer
from stages.training.acceleration import (
    Acceleration,
    AccelerationSettings,
    accelerate,
    compilation,
    resolve,
    this_processor,
)
from stages.training.batches import Mixture, Rows
from stages.training.curves import write_curves
from stages.training.loop import Result, train_model
from stages.training.module import LoopSettings, Plan
from stages.training.objectives import chunk_loss, next_token_loss
from stages.training.optimizer import OptimizerSettings
from stages.training.schedule import ScheduleSettings
from stages.training.throughput import arithmetic
from stages.training.validation import HeldOut


class TrainingSettings(Section):
    """What every training stage has: how it is trained, whatever it is trained on."""

    seed: int
    """Of everything drawn: starting weights, order of rows, choice of validation rows."""
    micro_batch_rows: int = Field(gt=0)
    """Most rows that a process works on at a time; changes speed, memory and rounding, not the recipe."""
    schedule: ScheduleSettings
    """How the learning rate rises and falls."""
    optimizer: OptimizerSettings
    """What turns gradients into steps."""
    loop: LoopSettings
    """What is noted down, and how often."""
    acceleration: AccelerationSettings
    """Number format, compilation and threads."""


class LanguageSettings(TrainingSettings):
    """What the stages that train a language model have."""

    validation_rows: int = Field(gt=0)
    """Most rows that a validation reads, a seeded choice."""
    z_loss: float = Field(ge=0)
    """Weight of the squared logarithm of the softmax's denominator beside the loss: 0, or 1e-4 where it drifts off."""


@dataclass(frozen=True)
class Recipe:
    """What nulls and autos came to; a model's record holds it beside the parameters."""

    per_step: dict[str, int]
    """Rows, or prompts, that a batch takes of each of its parts."""
    steps: int
    learning_rate: float
    """The highest of the run."""
    acceleration: Acceleration


def token_rows(folder: Path) -> Rows:
    """The rows of a token folder, every token to be learnt."""
    loaded = TokenRows.load(folder)
    return Rows(loaded.rows, loaded.segments, None, loaded.documents_in)


def rows_per_step(tokens: float, context_length: int) -> int:
    """Whole rows nearest to a batch of `tokens`, at least one."""
    return max(1, round(tokens / context_length))


def held_out_rows(name: str, rows: Rows, tokenizer: Tokenizer, settings: LanguageSettings) -> HeldOut:
    """A validation on rows whose figures begin with `name`."""
    return HeldOut.choose(
        name, rows, tokenizer.token_bytes(), settings.validation_rows, settings.micro_batch_rows, settings.seed
    )


def language_recipe(
    model: Transformer, batches: Mixture, steps: int, learning_rate: float, settings: LanguageSettings
) -> Recipe:
    """The recipe of a run on this machine."""
    rows = {part.name: part.rows_per_step for part in batches.parts}
    tokens = steps * sum(rows.values()) * model.config.context_length
    acceleration = resolve(settings.acceleration, this_processor(), arithmetic(model, tokens))
    return Recipe(rows, steps, learning_rate, acceleration)


def plan_of(title: str, recipe: Recipe, settings: TrainingSettings, choose_by: str | None) -> Plan:
    """The recipe and the settings as the loop takes them."""
    return Plan(
        title=title,
        steps=recipe.steps,
        peak_learning_rate=recipe.learning_rate,
        schedule=settings.schedule,
        optimizer=settings.optimizer,
        loop=settings.loop,
        choose_by=choose_by,
    )


def train_language_model(
    model: Transformer,
    batches: Mixture,
    held_out: Sequence[HeldOut],
    title: str,
    recipe: Recipe,
    settings: LanguageSettings,
    checkpoints: Path,
    logger: Logger | None,
    launch: LaunchSettings,
) -> Result:
    """Train `model` in place and keep its last weights."""
    accelerate(model, recipe.acceleration)
    eager = partial(chunk_loss, z_loss=settings.z_loss)
    loss_of = torch.compile(eager, **compilation()) if recipe.acceleration.compile else eager
    plan = plan_of(title, recipe, settings, choose_by=None)

    def validate(model: Transformer) -> dict[str, float]:
        return {name: value for measured in held_out for name, value in measured(model).items()}

    return train_model(
        model, batches, partial(next_token_loss, loss_of=loss_of), validate, plan, checkpoints, logger, launch
    )


def training_record(params: Section, recipe: Recipe, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """What `run.json` holds: parameters, recipe and the hashes of the inputs."""
    return {
        "parameters": params.model_dump(mode="json"),
        "recipe": asdict(recipe),
        "inputs": {name: path_hash(path) for name, path in inputs.items()},
    }


def save_training(
    output: Path, model: Transformer | ScalarModel, tokenizer: Path, result: Result, record: dict[str, Any]
) -> None:
    """Write `curves.csv` and the model folder."""
    output.mkdir(parents=True, exist_ok=True)
    write_curves(output / "curves.csv", result.rows)
    save_model(output / "model", model, tokenizer, record)

"""Learn the judges' rankings: a reward model with one output for the whole answer and one for each axis."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from pydantic import Field

from stages.cluster.settings import ALONE, LaunchSettings
from stages.command import command
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model
from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.parameters import Metrics
from stages.preferences.records import AXES, Preference
from stages.scoring.intervals import Resampling
from stages.scoring.reward_lengths import reward_and_length
from stages.seeding import generator, key_hash
from stages.text.conversations import render_answered
from stages.text.records import read_records
from stages.text.tokenizer import Tokenizer
from stages.training import language
from stages.training.acceleration import accelerate, resolve, this_processor
from stages.training.comparisons import Comparison, Comparisons
from stages.training.loop import train_model
from stages.training.lora import AdapterSettings, insert_adapter, save_and_merge
from stages.training.preference import HeldOutComparisons, all_outputs, preference_loss
from stages.training.throughput import arithmetic

OUTPUTS = 1 + len(AXES)


class Params(language.TrainingSettings, AdapterSettings):
    """How long, how gently, and what is weighed against what."""

    passes: int = Field(gt=0)
    """Times that every ranked prompt is read; the weights of the best validation loss are kept."""
    prompts_per_step: int = Field(gt=0)
    """Prompts, each with all its answers, of an optimizer step."""
    learning_rate: float = Field(gt=0)
    """Highest learning rate."""
    aspect_weight: float = Field(ge=0)
    """Weight of the mean of the axes' losses beside that of the whole answer."""
    centring: float = Field(ge=0)
    """Weight of the squared sum of a pair's outputs, which keeps rewards near 0."""
    held_out_prompts: int = Field(gt=0)
    """Most prompts of the validation split, and of the test split, that are read; a seeded choice."""
    resampling: Resampling
    """How the interval of the test accuracy is drawn."""


def axis_votes(preference: Preference, axis: str) -> np.ndarray:
    """[k, k]: how likely each answer is the better one on an axis, NaN where one of them has no rating.

    One step of rating counts as one unit of log-odds.
    """
    given = [answer.axes.get(axis) for answer in preference.answers]
    ratings = np.array([np.nan if rating is None else rating for rating in given], dtype=np.float64)
    return 1 / (1 + np.exp(ratings[None, :] - ratings[:, None]))


def comparison(preference: Preference, tokenizer: Tokenizer, context_length: int) -> Comparison:
    """A preference as the tokens and shares that training takes."""
    sequences = tuple(
        np.array(render_answered(preference.messages, answer.token_ids, tokenizer, context_length))
        for answer in preference.answers
    )
    votes = [np.array(preference.votes), *(axis_votes(preference, axis) for axis in AXES)]
    return Comparison(preference.prompt_id, sequences, np.stack(votes, axis=-1))


def starting_model(language_model: Transformer, seed: int) -> ScalarModel:
    """The language model's trunk with a new head, drawn from the seed alone."""
    model = ScalarModel(language_model.config, OUTPUTS)
    model.initialise(language_model, torch.Generator().manual_seed(key_hash(seed, "head") >> 1))
    return model


def reward_recipe(model: ScalarModel, comparisons: Comparisons, params: Params) -> language.Recipe:
    """The recipe of a run on this machine."""
    steps = params.passes * comparisons.steps_per_epoch
    tokens = params.passes * sum(len(ids) for one in comparisons.comparisons for ids in one.sequences)
    acceleration = resolve(params.acceleration, this_processor(), arithmetic(model, tokens))
    return language.Recipe({"prompts": params.prompts_per_step}, steps, params.learning_rate, acceleration)


def chosen(preferences: Sequence[Preference], split: str, limit: int, seed: int) -> list[Preference]:
    """At most `limit` preferences of a split, a seeded choice in the order of ids."""
    members = sorted((one for one in preferences if one.split == split), key=lambda one: one.id)
    return [members[index] for index in sorted(generator(seed, split).permutation(len(members))[:limit])]


def run(
    params: Params,
    model: Path,
    preferences: Path,
    output: Path,
    checkpoints: Path,
    logger: Logger | None,
    launch: LaunchSettings = ALONE,
) -> Metrics:
    """Train on prompts of split rank, choose the weights on split validation, report on split test."""
    tokenizer, records = Tokenizer.load(model / "tokenizer"), read_records(preferences, Preference)
    network = starting_model(load_model(model), params.seed)
    adapter = insert_adapter(network, params.lora, params.seed)
    used = {
        "rank": chosen(records, "rank", len(records), params.seed),
        "validation": chosen(records, "validation", params.held_out_prompts, params.seed),
        "test": chosen(records, "test", params.held_out_prompts, params.seed),
    }
    for split, members in used.items():
        if not members:
            raise StageError(ExitCode.DATA, "no rankings", f"{preferences}: split {split}", "Rank prompts of it.")
    prepared = {
        split: Comparisons(
            [comparison(one, tokenizer, network.config.context_length) for one in members],
            params.prompts_per_step,
            params.micro_batch_rows,
            network.config.context_length,
            params.seed,
        )
        for split, members in used.items()
    }
    recipe = reward_recipe(network, prepared["rank"], params)
    accelerate(network, recipe.acceleration)
    result = train_model(
        network,
        prepared["rank"],
        partial(preference_loss, aspect_weight=params.aspect_weight, centring=params.centring),
        HeldOutComparisons(prepared["validation"].in_order()),
        language.plan_of("train_reward", recipe, params, choose_by="validation_loss"),
        checkpoints,
        logger,
        launch,
    )
    network.normalise(all_outputs(network, prepared["validation"].in_order()))
    rewards = all_outputs(network, prepared["test"].in_order())[:, 0].numpy()
    inputs = {"model": model, "preferences": preferences}
    record = language.training_record(params, recipe, inputs)
    save_and_merge(output / "adapter", network, record)
    language.save_training(output, network, model / "tokenizer", result, record)
    return {
        "prompts": len(used["rank"]),
        "passes_kept": round(result.kept["step"] / prepared["rank"].steps_per_epoch, 4),
        **result.figures(),
        **adapter,
        **reward_and_length(used["test"], rewards, params.resampling),
    }


if __name__ == "__main__":
    command("train_reward", run)

"""Teach the model to answer: supervised training on demonstrations, on the assistant's words alone."""

import math
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger
from pydantic import Field

from stages.cluster.settings import ALONE, LaunchSettings
from stages.command import command
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model
from stages.parameters import Metrics
from stages.text.conversations import render
from stages.text.demonstrations import Demonstration
from stages.text.records import read_records
from stages.text.tokenizer import Tokenizer
from stages.training import language
from stages.training.batches import Mixture, Part
from stages.training.conversation_rows import Rendered, conversation_rows, fitting
from stages.training.lora import AdapterSettings, insert_adapter, save_and_merge


class Params(language.LanguageSettings, AdapterSettings):
    """How long and how gently."""

    passes: float = Field(gt=0)
    """Times that every demonstration is read."""
    batch_tokens: int = Field(gt=0)
    """Tokens of an optimizer step, those of users included, rounded to whole rows."""
    learning_rate: float = Field(gt=0)
    """Highest learning rate."""


def rendered(demonstrations: Sequence[Demonstration], split: str, tokenizer: Tokenizer) -> dict[str, Rendered]:
    """The demonstrations of one split as tokens, by their ids."""
    return {one.id: render(one.messages, tokenizer) for one in demonstrations if one.split == split}


def run(
    params: Params,
    model: Path,
    demonstrations: Path,
    output: Path,
    checkpoints: Path,
    logger: Logger | None,
    launch: LaunchSettings = ALONE,
) -> Metrics:
    """Train on demonstrations of split train; measure on those of split validation, whose wordings are others."""
    network, tokenizer = load_model(model), Tokenizer.load(model / "tokenizer")
    adapter = insert_adapter(network, params.lora, params.seed)
    context = network.config.context_length
    records = read_records(demonstrations, Demonstration)
    splits = {split: rendered(records, split, tokenizer) for split in ("train", "validation")}
    whole = {split: fitting(conversations, context) for split, conversations in splits.items()}
    for split, conversations in whole.items():
        if not conversations:
            where = f"{demonstrations}: split {split}"
            raise StageError(ExitCode.DATA, "no demonstration fits", where, "Compose or write more of them.")
    rows = {
        split: conversation_rows(conversations, context, tokenizer.pad, params.seed)
        for split, conversations in whole.items()
    }
    batch = language.rows_per_step(params.batch_tokens, context)
    batches = Mixture([Part("demonstrations", rows["train"], batch)], params.micro_batch_rows, params.seed)
    steps = math.ceil(params.passes * len(rows["train"]) / batch)
    held_out = language.held_out_rows("validation", rows["validation"], tokenizer, params)
    recipe = language.language_recipe(network, batches, steps, params.learning_rate, params)
    result = language.train_language_model(
        network, batches, [held_out], "instruct", recipe, params, checkpoints, logger, launch
    )
    inputs = {"model": model, "demonstrations": demonstrations}
    record = language.training_record(params, recipe, inputs)
    save_and_merge(output / "adapter", network, record)
    language.save_training(output, network, model / "tokenizer", result, record)
    return {
        "conversations": len(whole["train"]),
        "conversations_too_long": sum(map(len, splits.values())) - sum(map(len, whole.values())),
        "tokens": int(result.rows[-1]["tokens"]),
        "validation_loss_before": round(result.first["validation_loss"], 6),
        **result.figures(),
        **adapter,
    }


if __name__ == "__main__":
    command("instruct", run)

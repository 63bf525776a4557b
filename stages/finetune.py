"""Train the base model further on the documents of one domain, with general text replayed so that it keeps the rest."""

import math
from pathlib import Path

from lightning.pytorch.loggers import Logger
from pydantic import Field

from stages.cluster.settings import ALONE, LaunchSettings
from stages.command import command
from stages.model.checkpoint import load_model
from stages.parameters import Metrics
from stages.text.tokenizer import Tokenizer
from stages.training import language
from stages.training.batches import Mixture, Part
from stages.training.lora import AdapterSettings, insert_adapter, save_and_merge


class Params(language.LanguageSettings, AdapterSettings):
    """How long and how gently; lengths are in passes, because a domain is small."""

    passes: float = Field(gt=0)
    """Times that every row of the domain is read."""
    replay_share: float = Field(ge=0, lt=1)
    """Share of the rows of every batch that are general text."""
    batch_tokens: int = Field(gt=0)
    """Tokens of an optimizer step, replay included, rounded to whole rows of either kind."""
    learning_rate: float = Field(gt=0)
    """Highest learning rate; below that of pretraining."""


def mixed_rows(batch_rows: int, replay_share: float) -> tuple[int, int]:
    """Rows of domain and of general text in a batch: at least one of the domain, and of the other if any is wanted."""
    general = max(round(batch_rows * replay_share), int(replay_share > 0))
    return max(batch_rows - general, 1), general


def run(
    params: Params,
    model: Path,
    train: Path,
    validation: Path,
    general: Path,
    general_validation: Path,
    output: Path,
    checkpoints: Path,
    logger: Logger | None,
    launch: LaunchSettings = ALONE,
) -> Metrics:
    """Train on `train`, and watch the validation loss of the domain and of general text side by side."""
    network, vocabulary = load_model(model), Tokenizer.load(model / "tokenizer")
    adapter = insert_adapter(network, params.lora, params.seed)
    rows, general_rows = language.token_rows(train), language.token_rows(general)
    batch_rows = language.rows_per_step(params.batch_tokens, rows.context_length)
    domain_share, general_share = mixed_rows(batch_rows, params.replay_share)
    parts = [Part("domain", rows, domain_share), Part("general", general_rows, general_share)]
    batches = Mixture([part for part in parts if part.rows_per_step], params.micro_batch_rows, params.seed)
    steps = math.ceil(params.passes * len(rows) / domain_share)
    held_out = [
        language.held_out_rows("validation", language.token_rows(validation), vocabulary, params),
        language.held_out_rows("general_validation", language.token_rows(general_validation), vocabulary, params),
    ]
    recipe = language.language_recipe(network, batches, steps, params.learning_rate, params)
    result = language.train_language_model(
        network, batches, held_out, "finetune", recipe, params, checkpoints, logger, launch
    )
    inputs = {
        "model": model,
        "train": train,
        "validation": validation,
        "general": general,
        "general_validation": general_validation,
    }
    record = language.training_record(params, recipe, inputs)
    save_and_merge(output / "adapter", network, record)
    language.save_training(output, network, model / "tokenizer", result, record)
    return {
        "tokens": int(result.rows[-1]["tokens"]),
        "validation_bits_per_byte_before": round(result.first["validation_bits_per_byte"], 6),
        "general_validation_change": round(
            result.kept["general_validation_loss"] / result.first["general_validation_loss"] - 1, 6
        ),
        **result.figures(),
        **adapter,
    }


if __name__ == "__main__":
    command("finetune", run)

"""Train a decoder, from scratch or from published weights, to predict the next token of the general text."""

import math
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger
from pydantic import Field

from stages.cluster.settings import ALONE, LaunchSettings
from stages.command import command
from stages.model.published import edges, give_vocabulary, load_published
from stages.model.transformer import ModelConfig, Transformer
from stages.parameters import Metrics
from stages.pretrained import Pretrained, recorded_folder
from stages.seeding import key_hash
from stages.text.tokenizer import Tokenizer, known_ids
from stages.training import language, scaling
from stages.training.batches import Mixture, Part
from stages.training.throughput import matrix_weights


class Params(language.LanguageSettings):
    """`depth` is the one dial; every null follows from it."""

    init_from: Pretrained | None
    """Published weights to go on from, whose depth and shape then count; null for weights that are drawn."""
    depth: int = Field(gt=0)
    """Layers."""
    shape: scaling.ShapeSettings
    """What else the model is made of."""
    tokens: int | None = Field(gt=0)
    """Tokens to train on, repeats included. null: tokens_per_weight times the weights in matrices."""
    tokens_per_weight: float = Field(gt=0)
    """Budget for each weight. About 20 is the best use of arithmetic (Hoffmann et al. 2022); fewer save time."""
    batch_tokens: int | None = Field(gt=0)
    """Tokens of an optimizer step, rounded to whole rows. null: follows from the budget."""
    learning_rate: float | None = Field(gt=0)
    """Highest learning rate. null: follows from the width."""


def starting_model(config: ModelConfig, seed: int) -> Transformer:
    """A model with weights drawn from the seed alone."""
    model = Transformer(config)
    # 63 bits, because torch's seeds are signed.
    model.initialise(torch.Generator().manual_seed(key_hash(seed, "weights") >> 1))
    return model


def published_model(folder: Path, tokenizer: Path, context_length: int) -> Transformer:
    """Published weights, with rows for the control tokens that their tokenizer lacked.

    Ours for the ends of a text begin as theirs.
    """
    vocabulary, known = Tokenizer.load(tokenizer), known_ids(folder, tokenizer)
    ends = zip((vocabulary.bos, vocabulary.end), edges(folder), strict=True)
    copies = {ours: theirs for ours, theirs in ends if ours >= known and theirs is not None}
    model = load_published(folder, context_length)
    give_vocabulary(model, vocabulary.vocabulary_size, known, copies)
    return model


def run(
    params: Params,
    train: Path,
    validation: Path,
    tokenizer: Path,
    weights: Path,
    output: Path,
    checkpoints: Path,
    logger: Logger | None,
    launch: LaunchSettings = ALONE,
) -> Metrics:
    """Train on the rows of `train`, once or more often, and measure on those of `validation`."""
    rows, vocabulary = language.token_rows(train), Tokenizer.load(tokenizer)
    inputs = {"train": train, "validation": validation, "tokenizer": tokenizer}
    if params.init_from:
        inputs["init_from"] = weights  # the hashes of the files that count, whatever else lies in the folder
        folder = recorded_folder(params.init_from, weights, "pretrain")
        model = published_model(folder, tokenizer, rows.context_length)
    else:
        shape = scaling.model_shape(params.depth, params.shape, vocabulary.vocabulary_size, rows.context_length)
        model = starting_model(shape, params.seed)
    tokens = params.tokens or round(params.tokens_per_weight * matrix_weights(model))
    batch = language.rows_per_step(params.batch_tokens or scaling.batch_tokens(tokens), rows.context_length)
    steps = math.ceil(tokens / (batch * rows.context_length))
    rate = params.learning_rate or scaling.peak_learning_rate(model.config.width)
    batches = Mixture([Part("train", rows, batch)], params.micro_batch_rows, params.seed)
    held_out = language.held_out_rows("validation", language.token_rows(validation), vocabulary, params)
    recipe = language.language_recipe(model, batches, steps, rate, params)
    result = language.train_language_model(
        model, batches, [held_out], "pretrain", recipe, params, checkpoints, logger, launch
    )
    language.save_training(output, model, tokenizer, result, language.training_record(params, recipe, inputs))
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": int(result.rows[-1]["tokens"]),
        "passes": round(steps * batch / len(rows), 4),
        **result.figures(),
    }


if __name__ == "__main__":
    command("pretrain", run)

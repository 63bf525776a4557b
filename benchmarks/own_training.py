"""Our variants of benchmarks/training.py: the training stages' own path, the same without Lightning, and pretrain."""

import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers.turns import NEVER, Shape, Turns, answer, answers, be_asked
from stages import pretrain
from stages.cluster.rank import rank
from stages.cluster.settings import ALONE
from stages.model.transformer import Transformer
from stages.parameters import Metrics, read_section
from stages.training import language
from stages.training.acceleration import Acceleration, accelerate, compilation, resolve, this_processor
from stages.training.batches import LanguageBatch, Mixture, Part, Rows
from stages.training.objectives import chunk_loss, next_token_loss
from stages.training.optimizer import build_optimizers
from stages.training.scaling import model_shape

INPUTS = {
    "train": Path("data/encode/train"),
    "validation": Path("data/encode/validation"),
    "tokenizer": Path("data/train_tokenizer/tokenizer"),
    "weights": Path("data/weights.json"),
}
"""Of pretrain, as a run of the pipeline leaves them."""


@dataclass(frozen=True)
class InTurn(Mixture):
    """Batches that wait for their turn."""

    turns: Turns | None = None
    """None for the ranks behind the first, which wait for it anyhow."""

    def __call__(self, step: int) -> list[LanguageBatch]:
        """Those of the step, once it may be taken."""
        if self.turns:
            self.turns.step()
        return super().__call__(step)


def changed(changes: Mapping[str, Any]) -> pretrain.Params:
    """Pretrain's parameters with other values, by their names in `params.yaml` with dots."""
    given = read_section(Path("params.yaml"), "pretrain", pretrain.Params).model_dump()
    for name, value in changes.items():
        section, _, setting = name.rpartition(".")
        (given[section] if section else given)[setting] = value
    return pretrain.Params.model_validate(given)


def parameters() -> pretrain.Params:
    """Pretrain's, but AdamW moves every weight, as with the peers, and nothing is validated or written."""
    return changed({"optimizer.matrices": "adamw", "loop.validation_steps": NEVER, "loop.checkpoint_steps": NEVER})


def model_of(shape: Shape, params: pretrain.Params) -> Transformer:
    """A decoder of the shape, with what else `params` says."""
    given = {"width": shape.width, "heads": shape.heads, "hidden_width": shape.hidden, "tied": False}
    settings = params.shape.model_copy(update=given)
    return pretrain.starting_model(model_shape(shape.layers, settings, shape.vocabulary, shape.context), params.seed)


def batches_of(shape: Shape, params: pretrain.Params, turns: Turns | None) -> InTurn:
    """Random rows, each one document, a step's all at once, as in `params.yaml`."""
    tokens = shape.tokens()
    rows = Rows(tokens, np.ones_like(tokens), None)
    return InTurn([Part("random", rows, shape.rows)], shape.rows, params.seed, turns=turns)


def acceleration(params: pretrain.Params, compiled: bool) -> Acceleration:
    """As `auto` has it on this processor, compiled or not."""
    return replace(resolve(params.acceleration, this_processor(), 0.0), compile=compiled)


def with_lightning(shape: Shape, compiled: bool, ranks: int = 1) -> None:
    """The path of the stages."""
    params = parameters()
    turns = Turns() if rank() == 0 else None
    model, batches = model_of(shape, params), batches_of(shape, params, turns)
    recipe = language.Recipe({"random": shape.rows}, NEVER, 1e-3, acceleration(params, compiled))
    launch = ALONE.model_copy(update={"processes": ranks})
    with tempfile.TemporaryDirectory() as folder:
        language.train_language_model(
            model, batches, [], "training", recipe, params, Path(folder), logger=None, launch=launch
        )


def without_lightning(shape: Shape) -> None:
    """The same arithmetic in the plainest loop: what is over is Lightning's."""
    params = parameters()
    model, batches = model_of(shape, params), batches_of(shape, params, Turns())
    accelerate(model, acceleration(params, compiled=True))
    loss_of = partial(next_token_loss, loss_of=torch.compile(chunk_loss, **compilation()))
    [optimizer] = build_optimizers(model, params.optimizer)
    for step in itertools.count():
        batch = batches(step)
        weight = sum(micro.weight for micro in batch)
        for micro in batch:
            (loss_of(model, micro) / weight).backward()
        nn.utils.clip_grad_norm_(model.parameters(), params.optimizer.gradient_clip)
        optimizer.step()
        model.zero_grad()


def pretrained(params: pretrain.Params, folder: Path) -> Metrics:
    """Pretrain on the tokens of a run of the pipeline, into `folder`/output."""
    return pretrain.run(
        params,
        train=INPUTS["train"],
        validation=INPUTS["validation"],
        tokenizer=INPUTS["tokenizer"],
        weights=INPUTS["weights"],
        output=folder / "output",
        checkpoints=folder / "states",
        logger=None,
    )


def whole_run(tokens: int, changes: Mapping[str, Any]) -> None:
    """Pretrain as `params.yaml` has it but for `changes`, on so many tokens."""
    stream = answers()
    with tempfile.TemporaryDirectory() as folder:
        metrics = pretrained(changed({**changes, "tokens": tokens}), Path(folder))
    answer(stream, **metrics)


if __name__ == "__main__":
    be_asked({"lightning": with_lightning, "plain": without_lightning, "run": whole_run})

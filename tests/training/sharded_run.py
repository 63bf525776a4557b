"""A reward model's training on so many ranks, each with a part of the weights: `python -m ... RANKS FOLDER`."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from stages.cluster.settings import ALONE, LaunchSettings
from stages.model.scalar import ScalarModel
from stages.training.comparisons import Comparison, Comparisons
from stages.training.loop import Result, train_model
from stages.training.module import LoopSettings
from stages.training.preference import HeldOutComparisons, preference_loss
from tests import specimens
from tests.specimens import fresh_model, small_config

OUTPUTS = 2
LOOP = LoopSettings(log_steps=3, validation_steps=3, checkpoint_steps=6)
PLAN = replace(specimens.PLAN, steps=12, loop=LOOP, choose_by="validation_loss")


def comparisons(seed: int) -> Comparisons:
    """Four prompts a step, each a micro-batch: of three ranks, the first has two of them."""
    draws = np.random.default_rng(seed)
    members = []
    for number in range(8):
        shares = draws.random(OUTPUTS)
        votes = np.stack([np.full((2, 2), share) for share in shares], axis=-1)
        votes[1, 0] = 1 - shares
        answers = (draws.integers(6, 40, 4), draws.integers(6, 40, 5))
        members.append(Comparison(f"p{number}", answers, votes))
    return Comparisons(members, prompts_per_step=4, micro_batch_rows=1, context_length=10, seed=1)


def train(checkpoints: Path, launch: LaunchSettings = ALONE) -> tuple[ScalarModel, Result]:
    """The model and how it came about."""
    model = ScalarModel(small_config(40, context_length=16), OUTPUTS)
    model.initialise(fresh_model(model.config), torch.Generator().manual_seed(1))
    loss = partial(preference_loss, aspect_weight=0.5, centring=0.01)
    validate = HeldOutComparisons(comparisons(2).in_order())
    result = train_model(model, comparisons(1), loss, validate, PLAN, checkpoints, None, launch)
    return model, result


if __name__ == "__main__":
    ranks, folder = int(sys.argv[1]), Path(sys.argv[2])
    sharded = ALONE.model_copy(update={"processes": ranks, "strategy": "fsdp"})
    trained, end = train(folder / "checkpoints", sharded)
    torch.save({"weights": trained.state_dict(), "rows": end.rows, "kept": end.kept}, folder / "result.pt")

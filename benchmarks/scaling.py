"""How bits per byte fall with compute: a ladder of sizes is trained, a power law fitted, and the next size predicted.

Every size follows from `pretrain.depth` alone and reads as many tokens for each of its weights. The law is fitted on
all sizes but the largest, whose bits per byte are predicted before it is trained, and then held against what it has
reached. Reads the tokens of a run of the pipeline (`make run`). A size is trained in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.own_training import INPUTS, changed, pretrained
from benchmarks.record import Row, table, write
from benchmarks.training import require_tokens
from stages import pretrain
from stages.command import PARAMETERS
from stages.model.checkpoint import load_model
from stages.model.transformer import Transformer
from stages.parameters import read_section
from stages.text.tokenizer import Tokenizer
from stages.training.language import token_rows
from stages.training.scaling import model_shape
from stages.training.throughput import arithmetic, matrix_weights

DEPTHS = (1, 2, 3, 4, 5)
TOKENS_PER_WEIGHT = 2.0
"""So few that the largest of the ladder reads the default's tokens about once."""

GOAL = 0.02
"""Of what was reached: how far a prediction may be from it."""


class Rung(NamedTuple):
    """A size of the ladder, and what training it came to."""

    depth: int
    weights: int
    """Those in matrices."""
    tokens: int
    operations: float
    """Floating-point operations of the training."""
    bits_per_byte: float
    """Of the validation rows, after the last step."""


class Law(NamedTuple):
    """Bits per byte as a power of operations (Kaplan et al. 2020, https://arxiv.org/abs/2001.08361, section 1.2)."""

    factor: float
    exponent: float

    def __call__(self, operations: float) -> float:
        """Bits per byte after so many operations."""
        return self.factor * operations**self.exponent


def fit(rungs: Sequence[Rung]) -> Law:
    """The power law with the least squared error of the logarithms."""
    operations, reached = (np.log([getattr(rung, name) for rung in rungs]) for name in ("operations", "bits_per_byte"))
    exponent, factor = np.polyfit(operations, reached, 1)
    return Law(float(np.exp(factor)), float(exponent))


def climb(depth: int, tokens_per_weight: float) -> Rung:
    """Train the model of a depth by the settings of `params.yaml` and measure it on the validation rows."""
    given = {"init_from": None, "depth": depth, "tokens": None, "tokens_per_weight": tokens_per_weight}
    nulls = {"batch_tokens": None, "learning_rate": None}
    with tempfile.TemporaryDirectory() as folder:
        found = pretrained(changed(given | nulls), Path(folder))
        model = load_model(Path(folder, "output/model"))
    tokens, reached = int(found["tokens"]), float(found["validation_bits_per_byte"])
    return Rung(depth, matrix_weights(model), tokens, arithmetic(model, tokens), reached)


def climb_alone(depth: int, tokens_per_weight: float) -> Rung:
    """`climb` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--rung", str(depth), "--tokens", str(tokens_per_weight)]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Rung(*json.loads(found.stdout.splitlines()[-1]))


def rows_of(rungs: Sequence[Rung], largest: Rung, law: Law, predicted: float) -> list[Row]:
    """The ladder, the law, and the largest size's bits per byte as predicted and as reached."""
    rows = []
    for rung in (*rungs, largest):
        rows += [
            Row(f"depth {rung.depth}: weights in matrices", "1e6", rung.weights / 1e6),
            Row(f"depth {rung.depth}: tokens", "1e6", rung.tokens / 1e6),
            Row(f"depth {rung.depth}: operations", "1e12", rung.operations / 1e12),
            Row(f"depth {rung.depth}: reached", "bits/byte", rung.bits_per_byte),
        ]
    return [
        *rows,
        Row("exponent of the operations", "", law.exponent, why=f"fitted on {len(rungs)} sizes"),
        Row(f"depth {largest.depth}: predicted", "bits/byte", predicted),
        Row("error of the prediction", "share", abs(predicted / largest.bits_per_byte - 1), goal=GOAL),
    ]


def planned_operations(depth: int, tokens_per_weight: float) -> float:
    """Operations of training a depth, by its shape alone."""
    params = read_section(PARAMETERS, "pretrain", pretrain.Params)
    size = Tokenizer.load(INPUTS["tokenizer"]).vocabulary_size
    context = token_rows(INPUTS["train"]).context_length
    with torch.device("meta"):
        model = Transformer(model_shape(depth, params.shape, size, context))
    return arithmetic(model, round(tokens_per_weight * matrix_weights(model)))


def main() -> None:
    """Climb the ladder, say what the next size will reach, and see."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rung", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=float, default=TOKENS_PER_WEIGHT, help="per weight; default: %(default)s")
    options = parser.parse_args()
    if options.rung:
        print(json.dumps(climb(options.rung, options.tokens)))
        return
    require_tokens()
    *smaller, largest = DEPTHS
    rungs = []
    for depth in smaller:
        rungs.append(climb_alone(depth, options.tokens))
        print(rungs[-1], file=sys.stderr)
    law = fit(rungs)
    predicted = law(planned_operations(largest, options.tokens))
    print(f"depth {largest}: {predicted:.4f} bits per byte, as predicted by {law}", file=sys.stderr)
    rows = rows_of(rungs, climb_alone(largest, options.tokens), law, predicted)
    print(table(rows))
    print(write("scaling", rows))


if __name__ == "__main__":
    main()

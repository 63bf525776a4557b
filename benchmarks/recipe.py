"""What each setting of pretrain's recipe is worth: the default beside itself with one setting changed.

Each trains on the same few tokens (of a run of the pipeline: `make run`) to the end of its own schedule, once for each
seed, in a process of its own. Bits per byte say which learns most from as many tokens, seconds what that costs. Half an
hour on two cores.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

from benchmarks.record import Row, table, write
from benchmarks.training import require_tokens
from benchmarks.variants import Ended, Variant, whole

TOKENS = 1_600_000
SEEDS = (1, 2)

Change = Mapping[str, object]
"""Values of pretrain's settings, by their names in `params.yaml` with dots."""

CHANGES: tuple[Change, ...] = (
    {"optimizer.weight_decay": 0.1},
    {"optimizer.beta_gradient": 0.95},
    {"schedule.warmup_share": 0.01},
    {"shape.rope_theta": 1000.0},
    {"schedule.decay_share": 0.99},
    {"learning_rate": 4e-3},
    {"learning_rate": 1.2e-2},
    {"batch_tokens": 2048},
    {"optimizer.matrices": "adamw"},
    {"optimizer.matrices": "adamw", "learning_rate": 4e-3},
)


def described(change: Change) -> str:
    """The change as one would write it after `dvc exp run -S`."""
    return ", ".join(f"{name}={value}" for name, value in change.items()) or "the default"


def pretrained(change: Change, seed: int) -> Ended:
    """Pretrain so changed."""
    options = {"tokens": TOKENS, "changes": {**change, "seed": seed}}
    return whole(Variant(described(change), "run", options, ours=True))


def rows_of(change: Change, runs: Sequence[Ended], default: Sequence[Ended]) -> list[Row]:
    """Means over the seeds; the difference is of runs with equal seeds, in the same validation rows."""
    name, count = described(change), len(runs)
    reached = [run.bits_per_byte for run in runs]
    rows = [Row(name, "bits/byte", round(statistics.mean(reached), 4), runs=count)]
    if change:
        more = [one - other.bits_per_byte for one, other in zip(reached, default, strict=True)]
        each = ", ".join(f"{one:+.4f}" for one in more)
        rows.append(
            Row(f"{name}, less the default", "bits/byte", round(statistics.mean(more), 4), runs=count, why=each)
        )
    return [*rows, Row(name, "s", round(statistics.median(run.seconds for run in runs), 1), runs=count)]


def main() -> None:
    """Measure, write the results, print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipe", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of weights, order and validation rows")
    options = parser.parse_args()
    require_tokens()
    rows, default = list[Row](), list[Ended]()
    for change in ({}, *CHANGES):
        runs = []
        for seed in options.seeds:
            print(f"{described(change)}, seed {seed}", file=sys.stderr, flush=True)
            runs.append(pretrained(change, seed))
        default = default or runs
        rows += rows_of(change, runs, default)
    path = write("recipe", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

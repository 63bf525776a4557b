"""How fast the training engine is beside its peers: every variant in a process of its own, all taking turns.

Ours is the path of the stages (Lightning, `auto` number format, compiled) with AdamW. Each variant trains one shape of
decoder on the same random tokens, 4,096 a step: first with the settings that each tool comes with, then all of them
with one setting of threads and allocator. Needs the peers' environment (`make benchmark-peers`) and, for the time to a
validation loss, the tokens of a run (`make run`). An hour on two cores; another load spoils the medians.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.own_training import INPUTS, model_of, parameters
from benchmarks.peers.turns import BATCH_TOKENS, Shape
from benchmarks.record import Row, beside, most, table, write
from benchmarks.variants import PEERS, SHARED, Ended, Taken, Variant, first_step, in_turn, whole
from stages.parameters import read_section
from stages.pretrain import Params
from stages.text.tokenizer import Tokenizer
from stages.training.acceleration import COMPILE_ARITHMETIC, this_processor
from stages.training.language import rows_per_step, token_rows
from stages.training.scaling import model_shape
from stages.training.throughput import arithmetic
from stages.training.validation import chosen_rows

SHAPES = {
    "1M": Shape(vocabulary=4096, context=256, width=128, layers=5, heads=2, hidden=352),
    "5M": Shape(vocabulary=8192, context=256, width=256, layers=6, heads=4, hidden=704),
    "20M": Shape(vocabulary=8192, context=512, width=512, layers=6, heads=8, hidden=1408),
}
"""By the weights of their blocks."""
COLUMNS = {"stock settings": {}, "one setting for all": SHARED}

OURS = "ours"
PLAIN = "our loop without Lightning"
EAGER = "ours, not compiled"
LIGHTNING_SHARE = 0.03
LIGHTNING_SHAPE = "5M"

FIRST_STEP_SECONDS = 8.0
STARTS = 3

LARGE_VOCABULARY = replace(SHAPES["1M"], vocabulary=32_768, context=1024)
MEMORY_TIMES = 2.0
RANKS_TIMES = 1.8
RANKS_SHAPE = "5M"

BITS_PER_BYTE = 1.81
"""Of validation: what HF Trainer comes to in `PEER_STEPS` at the better of `PEER_RATES`."""
PEER_STEPS = 1000
PEER_RATES = (4e-3, 2e-3)
"""At 8e-3 it came to 2.30, with an earlier vocabulary with which 4e-3 came to 1.84."""
OWN_TOKENS = 1_900_000
"""On which pretrain comes as far: the schedule of either side ends there."""
TIME_TIMES = 3.0


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def own(name: str, shape: Shape, task: str = "lightning", **options: object) -> Variant:
    """A variant of ours."""
    return Variant(name, task, {"shape": asdict(shape), **options}, ours=True)


def peer(name: str, shape: Shape, task: str, times: float | None, bf16: bool) -> Variant:
    """A variant of a peer's, of which we want to be so many times as fast."""
    return Variant(name, task, {"shape": asdict(shape), "bf16": bf16}, times=times)


def peers(size: str, bf16: bool) -> list[Variant]:
    """The peers on a shape; without bf16 in hardware all of them take fp32, which is their best there."""
    shape, form = SHAPES[size], "bf16" if bf16 else "fp32"
    found = [
        peer(f"HF Trainer {form}", shape, "trainer", 1.6 if size == "20M" else 2.0, bf16),
        peer(f"TRL SFTTrainer {form}", shape, "sft", 5.0, bf16),
        peer(f"litgpt {form}, compiled", shape, "litgpt", 1.3, bf16),
        peer(f"HF tuned: {form}, compiled, eager attention", shape, "tuned", 1.1, bf16),
    ]
    return found + ([peer("HF Trainer fp32", shape, "trainer", 4.0, False)] if bf16 else [])


def speed_rows(title: str, others: Iterable[Variant], taken: Mapping[str, Taken], rounds: int) -> list[Row]:
    """Ours beside each peer in tokens/s: of the median turn, and of the best."""
    ours, unit, rows = taken[OURS], "tokens/s", list[Row]()
    for other in others:
        found = taken[other.name]
        rows += [
            beside(title, unit, ours.median, found.median, other.name, other.times, rounds),
            beside(f"{title}, best turn", unit, ours.best, found.best, other.name, other.times, rounds),
        ]
    return rows


def lightning_row(size: str, taken: Mapping[str, Taken], rounds: int) -> Row:
    """What a step takes longer inside Lightning, as a share of the plain loop's; the goal is one shape's."""
    share = taken[PLAIN].median / taken[OURS].median - 1
    goal = LIGHTNING_SHARE if size == LIGHTNING_SHAPE else None
    why = "above its goal" if goal is not None and share > goal else None
    return Row(f"{size}: Lightning beside our plain loop", "share", round(share, 4), goal, runs=rounds, why=why)


def size_rows(size: str, bf16: bool, rounds: int) -> tuple[list[Row], Mapping[str, Taken]]:
    """A shape in both columns, and what was measured in the first."""
    shape, rows, first = SHAPES[size], list[Row](), dict[str, Taken]()
    for column, settings in COLUMNS.items():
        say(f"{size}, {column}: each variant starts and takes its first steps")
        others, ours = peers(size, bf16), [own(OURS, shape, compiled=True)]
        if not first:
            ours += [own(PLAIN, shape, "plain"), own(EAGER, shape, compiled=False)]
        everyone = ours + others
        taken = in_turn(everyone, [settings] * len(everyone), rounds)
        rows += speed_rows(f"{size}, {column}", others, taken, rounds)
        first = first or taken
    return [*rows, lightning_row(size, first, rounds)], first


def start_rows(size: str, taken: Mapping[str, Taken]) -> list[Row]:
    """From the start of a process to the end of its first step, and the length of run from which compiling pays."""
    compiled, eager = (own(name, SHAPES[size], compiled=name == OURS) for name in (OURS, EAGER))
    say(f"{size}: first step with a cold and a warm cache")
    with tempfile.TemporaryDirectory() as folder:
        cold, *warm = (first_step(compiled, {"TORCHINDUCTOR_CACHE_DIR": folder}) for _ in range(1 + STARTS))
    without = statistics.median(first_step(eager, {}) for _ in range(STARTS))
    what, again = f"{size}: import to first step", statistics.median(warm)
    return [
        most(f"{what}, warm cache", "s", again, FIRST_STEP_SECONDS, STARTS),
        Row(f"{what}, cold cache", "s", round(cold, 1)),
        Row(f"{what}, not compiled", "s", round(without, 1), runs=STARTS),
        compile_row(size, "warm", again - without, taken[OURS], taken[EAGER]),
        compile_row(size, "cold", cold - without, taken[OURS], taken[EAGER]),
    ]


def compile_row(size: str, cache: str, seconds: float, compiled: Taken, eager: Taken) -> Row:
    """The arithmetic from which compiling pays, if it costs so many seconds: what `auto` decides by."""
    saved = statistics.median(eager.turns) - statistics.median(compiled.turns)
    what, unit = f"{size}: arithmetic from which compiling pays, {cache} cache", "10^12 operations"
    if saved <= 0:
        return Row(what, unit, None, why="a compiled step is no faster")
    steps = max(seconds, 0.0) / saved
    needed = arithmetic(model_of(SHAPES[size], parameters()), round(steps * BATCH_TOKENS))
    why = f"{steps:.0f} steps of {BATCH_TOKENS:,} tokens; auto compiles from {COMPILE_ARITHMETIC / 1e12:g}"
    return Row(what, unit, round(needed / 1e12, 2), why=why)


def memory_row(bf16: bool) -> Row:
    """Peak memory where the scores over the vocabulary are what is large."""
    say("memory")
    other = peer(f"HF Trainer {'bf16' if bf16 else 'fp32'}", LARGE_VOCABULARY, "trainer", MEMORY_TIMES, bf16)
    ours, found = in_turn([own(OURS, LARGE_VOCABULARY, compiled=True), other], [{}, {}], rounds=1).values()
    what = f"peak memory, vocabulary {LARGE_VOCABULARY.vocabulary:,}, context {LARGE_VOCABULARY.context:,}"
    return beside(what, "MiB", ours.peak_mebibytes, found.peak_mebibytes, other.name, other.times, less=True)


def ranks_row(rounds: int) -> Row:
    """Two ranks of one thread beside one, which take the same steps."""
    what, unit, name = f"{RANKS_SHAPE}: two ranks of one thread", "tokens/s", "one rank of one thread"
    if len(os.sched_getaffinity(0)) < 2:
        return Row(what, unit, None, peer_name=name, why="this machine has one core")
    say("ranks")
    variants = [own(f"{ranks} ranks", SHAPES[RANKS_SHAPE], compiled=True, ranks=ranks) for ranks in (1, 2)]
    one, two = in_turn(variants, [{"OMP_NUM_THREADS": str(ranks)} for ranks in (1, 2)], rounds).values()
    return beside(what, unit, two.median, one.median, name, RANKS_TIMES, rounds)


def require_tokens() -> None:
    """SystemExit unless a run has left its tokens."""
    if missing := [str(path) for path in INPUTS.values() if not path.exists()]:
        raise SystemExit(f"there is no {', '.join(missing)}: make run, or dvc repro encode")


def run_of_peer(rate: float, bf16: bool) -> Variant:
    """HF Trainer on the decoder, tokens and validation rows of pretrain."""
    params = read_section(Path("params.yaml"), "pretrain", Params)
    tokenizer, held_out = Tokenizer.load(INPUTS["tokenizer"]), token_rows(INPUTS["validation"])
    config = model_shape(params.depth, params.shape, tokenizer.vocabulary_size, held_out.context_length)
    shape = Shape(
        config.vocabulary_size, config.context_length, config.width, config.layers, config.heads, config.hidden_width
    )
    index = chosen_rows(len(held_out), params.validation_rows, params.seed)
    size = int(tokenizer.token_bytes()[held_out.tokens[index, 1:][held_out.targets(index)]].sum())
    options = {
        "shape": asdict(shape),
        "rope_theta": config.rope_theta,
        "bf16": bf16,
        "train": str(INPUTS["train"]),
        "validation": str(INPUTS["validation"]),
        "index": index.tolist(),
        "size": size,
        "rate": rate,
        "max_steps": PEER_STEPS,
        "per_device_train_batch_size": rows_per_step(BATCH_TOKENS, config.context_length),
    }
    return Variant(f"HF Trainer, {PEER_STEPS:,} steps, AdamW at {rate:g}", "run", options)


def time_rows(rates: Iterable[float], bf16: bool) -> list[Row]:
    """Pretrain, with Muon, beside HF Trainer: to the same bits per byte, imports and compilation included."""
    mine = Variant(OURS, "run", {"tokens": OWN_TOKENS, "changes": {}}, ours=True)
    say(f"pretrain, {OWN_TOKENS:,} tokens, before the peer and after it")
    first, others = whole(mine), dict[str, Ended]()
    for rate in rates:
        other = run_of_peer(rate, bf16)
        say(other.name)
        others[other.name] = whole(other)
    last = whole(mine)
    ours = replace(last, seconds=statistics.mean([first.seconds, last.seconds]))
    return [time_row(ours, other, name) for name, other in others.items()]


def time_row(ours: Ended, other: Ended, name: str) -> Row:
    """Seconds to the bits per byte, if both come to it."""
    what = f"time to {BITS_PER_BYTE} bits per byte of validation"
    if max(ours.bits_per_byte, other.bits_per_byte) <= BITS_PER_BYTE:
        return beside(what, "s", ours.seconds, other.seconds, name, TIME_TIMES, less=True)
    why = f"came to {ours.bits_per_byte:.4f}, the peer to {other.bits_per_byte:.4f} in {other.seconds:.0f} s"
    return Row(what, "s", round(ours.seconds, 1), peer_name=name, why=why)


def measure(sizes: Iterable[str], rounds: int, rates: Iterable[float]) -> list[Row]:
    """All rows."""
    bf16 = bool(this_processor().flags)
    rows = list[Row]()
    for size in sizes:
        found, taken = size_rows(size, bf16, rounds)
        rows += found + start_rows(size, taken)
    rows += [memory_row(bf16), ranks_row(rounds), *time_rows(rates, bf16)]
    absent = "the environments here are the processor's"
    return [*rows, Row("one GPU, a decoder of 10^9 weights, bf16", "share of the peak", None, 0.5, why=absent)]


def main() -> None:
    """Measure, write the results, print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each variant; medians are taken")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="shapes to measure")
    parser.add_argument("--rates", type=float, nargs="+", default=PEER_RATES, help="learning rates of HF Trainer")
    options = parser.parse_args()
    if not PEERS.exists():
        raise SystemExit("the peers have no environment yet: make benchmark-peers")
    require_tokens()
    rows = measure(options.shapes, options.rounds, options.rates)
    path = write("training", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

"""How fast the text stages' loops are beside the well-known tools: the same texts, one process each, in turn.

Needs the peers' environment (`make benchmark-peers`) and the documents and tokenizer of a run (`make run`). Speeds are
megabytes for each of the processor's seconds, so that another load on the machine counts for little.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks import own_steps
from benchmarks.cost import cost_rows, counted
from benchmarks.material import Material, Part, write_material
from benchmarks.record import Row, beside, table, write

PEERS = Path(".peers/bin/python")
PEER_STEPS = Path("benchmarks/peers/text.py")
CHAIN_MEGABYTES = 1
"""The peers need seconds for a megabyte."""
ENCODING_MEGABYTES = 8
CHAIN_GOAL = 20.0
"""Megabytes for each of the processor's seconds."""
SHOWN = 4
"""Slowest steps that are named where the chain misses its goal."""

MINHASH = f"MinHash, {own_steps.FUNCTIONS} functions over {own_steps.SHINGLE_WORDS} words"


@dataclass(frozen=True)
class Step:
    """One step of ours, and the peer that does the same."""

    what: str
    prepare: Callable[[Path], own_steps.Take]
    part: Part
    """What it is taken over."""
    peer: str
    peer_name: str
    goal: float | None
    """Times the peer's speed; none where none is stated."""


def encoding(what: str, own: Callable[[str, Path], own_steps.Take], peer: str, part: Part, goal: float) -> list[Step]:
    """An encoder's step with the vocabulary of the pipeline and with a large one."""
    return [
        Step(f"{what}, {name}", partial(own, size), part, f"{peer}_{size}", "HF encode_batch_fast", goal)
        for size, name in (("small", "the pipeline's vocabulary"), ("large", "32,768 ids"))
    ]


STEPS = (
    Step("every measure", own_steps.measures, "documents", "gopher", "datatrove's Gopher filters, early exit", None),
    Step("every measure", own_steps.measures, "documents", "signals", "datatrove's four filters, all rules", None),
    Step(MINHASH, own_steps.signatures, "documents", "datasketch_minhash", "datasketch", 8),
    Step(MINHASH, own_steps.signatures, "documents", "datatrove_minhash", "datatrove", None),
    *encoding("encode, cold", own_steps.encode_cold, "encode_cold", "first", 25),
    *encoding("encode unseen text, warm", own_steps.encode_unseen, "encode_unseen", "next", 60),
    Step(
        "encode unseen text, warm, 32,768 ids",
        partial(own_steps.encode_unseen, "large"),
        "next",
        "encode_tiktoken",
        "tiktoken",
        None,
    ),
    Step("train a tokenizer of 32,768 ids", own_steps.train, "first", "train", "HF tokenizers", 3),
    Step("main text of HTML", own_steps.main_text, "pages", "trafilatura", "trafilatura", None),
)
CHAIN_PEERS = (
    ("chain_without_exit", "datatrove, each filter sees each document", 50.0),
    ("chain_with_exit", "datatrove, early exit", 25.0),
)


def own_seconds(take: own_steps.Take) -> float:
    """The processor's seconds for a step of ours."""
    began = time.process_time()
    take()
    return time.process_time() - began


def peer_seconds(step: str, folder: Path) -> float:
    """The processor's seconds for a peer's step, its start and imports apart."""
    command = [str(PEERS), str(PEER_STEPS), step, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ran.returncode:
        raise SystemExit(f"the peer's step {step} failed: {ran.stderr}")
    return float(ran.stdout)


def step_row(step: Step, material: Material, runs: int) -> Row:
    """Ours and the peer's in turn; medians. Ours is made ready anew each time, so that no encoder knows the text."""
    pairs = [
        (own_seconds(step.prepare(material.folder)), peer_seconds(step.peer, material.folder)) for _ in range(runs)
    ]
    ours, peer = (material.sizes[step.part] / statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    return beside(step.what, "MB/s", ours, peer, step.peer_name, step.goal, runs)


def speeds(taken: Iterable[Mapping[str, float]], size: float) -> dict[str, float]:
    """The chain's speed step by step, in MB/s: medians over the runs, from the seconds of each."""
    runs = list(taken)
    return {name: size / max(statistics.median(run[name] for run in runs), 1e-9) for name in runs[0]}


def chain_rows(found: Mapping[str, float], peers: Mapping[str, float], runs: int) -> list[Row]:
    """The whole chain against its goal and beside the peer's, whose speeds are given, and each step of ours."""
    whole = 1 / sum(1 / speed for speed in found.values())
    slowest = sorted(found, key=lambda name: found[name])[:SHOWN]
    reason = f"slowest: {', '.join(f'{name} {found[name]:.1f}' for name in slowest)} MB/s"
    first = Row("the whole chain", "MB/s", round(whole, 2), CHAIN_GOAL, runs=runs)
    rows = [replace(first, why=reason if whole < CHAIN_GOAL else None)]
    rows += [
        beside("the whole chain", "MB/s", whole, peers[name], title, goal, runs) for name, title, goal in CHAIN_PEERS
    ]
    return rows + [Row(f"chain: {name}", "MB/s", round(speed, 1), runs=runs) for name, speed in found.items()]


def measure_chain(material: Material, runs: int) -> tuple[dict[str, float], dict[str, float]]:
    """The speeds of our chain, step by step, and those of the peer's with and without early exit, all in turn."""
    own: list[dict[str, float]] = []
    other: dict[str, list[float]] = {name: [] for name, _, _ in CHAIN_PEERS}
    for _ in range(runs):
        own.append(own_steps.chain(material.folder)())
        for name, found in other.items():
            found.append(peer_seconds(name, material.folder))
    size = material.sizes["documents"]
    return speeds(own, size), {name: size / statistics.median(found) for name, found in other.items()}


def main() -> None:
    """Measure, write the results, print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="times that everything is measured; medians are taken")
    runs = parser.parse_args().runs
    if not PEERS.exists():
        raise SystemExit("the peers have no environment yet: make benchmark-peers")
    with tempfile.TemporaryDirectory() as folder:
        material = write_material(Path(folder, "material"), CHAIN_MEGABYTES, ENCODING_MEGABYTES)
        found, peers = measure_chain(material, runs)
        rows = chain_rows(found, peers, runs) + [step_row(step, material, runs) for step in STEPS]
        rows += cost_rows(found, counted(material.folder, material.sizes["documents"]))
    path = write("text", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

"""How fast the text stages' loops are beside the well-known tools: the same texts, one process each, in turn.

Needs the peers' environment (`make benchmark-peers`) and the documents of a run (`make run`, or `dvc repro collect`).
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import Row, table, write
from stages.seeding import key_hash
from stages.text.documents import read_documents
from stages.text.kernels import signature
from stages.text.measures import measure
from stages.text.near_duplicates import permutations
from stages.text.word_hashes import text_ngrams, word_hashes

PEERS = Path(".peers/bin/python")
PEER_STEPS = Path("benchmarks/peers/text.py")
DOCUMENTS = Path("data/collect/documents")
CHARACTERS = 4_000_000
PEER_CHARACTERS = 1_000_000
"""A peer needs seconds for a megabyte; its speed does not depend on how many there are."""
RUNS = 5
FUNCTIONS = 14 * 8
SHINGLE_WORDS = 5


@dataclass(frozen=True)
class Step:
    """One step of ours, and the peer that does the same."""

    what: str
    take: Callable[[list[str]], object]
    peer: str
    peer_name: str
    goal: float | None
    """Times the peer's speed; none for what is a part of a chain that has one."""


def signatures(texts: list[str]) -> None:
    """The MinHash signature of every text."""
    functions = permutations(FUNCTIONS, seed=1)
    for text in texts:
        signature(text_ngrams(word_hashes(text), SHINGLE_WORDS), *functions)


MINHASH = f"MinHash, {FUNCTIONS} functions over {SHINGLE_WORDS} words"
STEPS = (
    Step("every quality and repetition measure", measure, "gopher", "datatrove's Gopher filters, early exit", None),
    Step(MINHASH, signatures, "datasketch_minhash", "datasketch", 8),
    Step(MINHASH, signatures, "datatrove_minhash", "datatrove", None),
)


def selection(characters: int) -> list[str]:
    """Documents of all kinds in an order that a hash decides, up to so many characters."""
    documents = read_documents(DOCUMENTS, columns=["id", "text"])
    order = sorted(zip(documents["id"], documents["text"], strict=True), key=lambda pair: key_hash("text", pair[0]))
    texts: list[str] = []
    for _, text in order:
        if characters <= 0:
            break
        texts.append(text)
        characters -= len(text)
    return texts


def megabytes(texts: list[str]) -> float:
    """The size of texts in UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def own_seconds(take: Callable[[list[str]], object], texts: list[str]) -> float:
    """The processor's seconds for a step of ours."""
    began = time.process_time()
    take(texts)
    return time.process_time() - began


def peer_seconds(step: str, texts: Path) -> float:
    """The processor's seconds for a peer's step, its start and imports apart."""
    command = [str(PEERS), str(PEER_STEPS), step, str(texts)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def row(step: Step, texts: list[str], peer_texts: Path, peer_size: float) -> Row:
    """Ours and the peer's in turn; medians, in megabytes for each of the processor's seconds."""
    step.take(texts[:2])  # compiles, or loads what is compiled
    pairs = [(own_seconds(step.take, texts), peer_seconds(step.peer, peer_texts)) for _ in range(RUNS)]
    ours = megabytes(texts) / statistics.median(own for own, _ in pairs)
    peer = peer_size / statistics.median(other for _, other in pairs)
    return Row(
        step.what,
        "MB/s",
        round(ours, 1),
        None if step.goal is None else round(step.goal * peer, 1),
        round(peer, 2),
        step.peer_name,
        round(ours / peer, 1),
        RUNS,
    )


def main() -> None:
    """Measure, write the results, print them."""
    if not PEERS.exists():
        raise SystemExit("the peers have no environment yet: make benchmark-peers")
    texts, some = selection(CHARACTERS), selection(PEER_CHARACTERS)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(some, file)
        file.flush()
        rows = [row(step, texts, Path(file.name), megabytes(some)) for step in STEPS]
    path = write("text", rows)
    print(f"{table(rows)}\n\n{path}")


if __name__ == "__main__":
    main()

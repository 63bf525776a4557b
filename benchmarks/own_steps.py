"""Our side of benchmarks/text.py: each step made ready on a folder of `benchmarks.material`, then taken and timed."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from resiliparse.extract.html2text import extract_plain_text

from benchmarks.material import LONG_WORDS, SPLIT_PATTERN, VOCABULARY_SIZE, read_texts
from stages.text.code_points import Texts, alphabet
from stages.text.comparable import whole_texts
from stages.text.contamination import Indexes, Limits, found_in
from stages.text.encoder import fastest
from stages.text.kernels import text_signatures
from stages.text.language import detect
from stages.text.measures import measure
from stages.text.near_duplicates import Forest, permutations
from stages.text.personal_data import mask, mask_all
from stages.text.repair import repair_all
from stages.text.stretch_counts import count
from stages.text.vocabulary import learn

BANDS, ROWS = 14, 8
FUNCTIONS = BANDS * ROWS
SHINGLE_WORDS = 5
LIMITS = Limits(LONG_WORDS, short_words=8, min_coverage=0.5, common_texts=10)
"""Those of the pipeline; texts are scanned for the long and the short runs alike."""

Take = Callable[[], object]
"""A step that is ready: what it loads or compiles is loaded and compiled."""


def encoder(folder: Path) -> Callable[[list[str]], object]:
    """The stages' encoder for the vocabulary in `folder`, which has met no text yet."""
    encode = fastest(folder).encode
    encode([""])  # compiles, or loads what comes late
    return encode


def documents(folder: Path) -> list[str]:
    """The documents of a folder."""
    return pq.read_table(folder / "documents", columns=["text"]).column("text").to_pylist()


def measures(folder: Path) -> Take:
    """Every quality and repetition measure of every document."""
    texts = documents(folder)
    measure(texts[:2])
    return lambda: measure(texts)


def coded(texts: Sequence[str]) -> Texts:
    """Texts as the stages have them from a column of Parquet."""
    return whole_texts(pa.array(texts, pa.string()))


def sign(texts: Sequence[str]) -> np.ndarray:
    """The MinHash signature of every text, uint32 [texts, functions]."""
    known, functions = alphabet(), permutations(FUNCTIONS, seed=1)
    return text_signatures(*coded(texts), known.classes, known.lower, SHINGLE_WORDS, *functions)[0]


def signatures(folder: Path) -> Take:
    """The MinHash signature of every document."""
    texts = documents(folder)
    sign(texts[:2])
    return lambda: sign(texts)


def encode_cold(vocabulary: str, folder: Path) -> Take:
    """Ids of texts by an encoder that has met none yet."""
    return partial(encoder(folder / vocabulary), read_texts(folder, "first"))


def encode_unseen(vocabulary: str, folder: Path) -> Take:
    """Ids of texts by an encoder that has met as much other text."""
    encode = encoder(folder / vocabulary)
    encode(read_texts(folder, "first"))
    return partial(encode, read_texts(folder, "next"))


def train(folder: Path) -> Take:
    """A vocabulary learnt from texts."""
    texts = read_texts(folder, "first")
    learn(count(texts[:2], SPLIT_PATTERN), 300, SPLIT_PATTERN)
    return lambda: learn(count(texts, SPLIT_PATTERN), VOCABULARY_SIZE, SPLIT_PATTERN)


def link(size: int, pairs: np.ndarray) -> np.ndarray:
    """Clusters of `size` documents that are joined by pairs, int64 [pairs, 2]."""
    forest = Forest(size)
    forest.join(pairs)
    return forest.clusters()


def main_text(folder: Path) -> Take:
    """The main text of every page."""
    pages = read_texts(folder, "pages")
    return lambda: [extract_plain_text(page, main_content=True) for page in pages]


@dataclass
class Work:
    """What the chain has made of a folder's documents so far."""

    folder: Path
    items: Indexes
    encode: Callable[[list[str]], object]
    texts: list[str] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    """Of the table that is written, beside the text."""
    signatures: np.ndarray = field(default_factory=lambda: np.empty((0, FUNCTIONS), dtype=np.uint32))
    """Made and not written, as on the peer's side, since the band join keeps them in files of its own."""


def _read(work: Work) -> None:
    work.texts = documents(work.folder)


def _repair(work: Work) -> None:
    work.texts = repair_all(work.texts)


def _language(work: Work) -> None:
    work.columns["language"], work.columns["language_score"] = zip(*map(detect, work.texts), strict=True)


def _measure(work: Work) -> None:
    work.columns |= {str(name): values for name, values in measure(work.texts).items()}


def _mask(work: Work) -> None:
    # As in clean: counted as an attribute, and masked where there is something.
    work.columns["masked"] = [spans for _, spans in mask_all(work.texts)]
    work.texts = [
        mask(text)[0] if spans else text for text, spans in zip(work.texts, work.columns["masked"], strict=True)
    ]


def _sign(work: Work) -> None:
    work.signatures = sign(work.texts)


def _scan(work: Work) -> None:
    found = found_in([coded(work.texts)], work.items)
    work.columns["contaminated"] = np.bincount(found.long.texts, minlength=len(work.texts))


def _encode(work: Work) -> None:
    work.encode(work.texts)


def _write(work: Work) -> None:
    table = pa.table({"text": pa.array(work.texts), **{name: pa.array(made) for name, made in work.columns.items()}})
    pq.write_table(table, work.folder / "written.parquet", compression="zstd")


CHAIN: dict[str, Callable[[Work], None]] = {
    "read": _read,
    "repair": _repair,
    "language": _language,
    "measures": _measure,
    "personal data": _mask,
    "signatures": _sign,
    "decontamination": _scan,
    "encode": _encode,
    "write": _write,
}
"""The whole way of a text, in the order of the stages; nothing is dropped on it."""


def chain(folder: Path) -> Callable[[], dict[str, float]]:
    """The chain over the documents; the processor's seconds of each of its steps."""
    items = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    encode = encoder(folder / "large")
    encode(read_texts(folder, "first"))
    indexes = Indexes.of(items, LIMITS)

    def take(encode: Callable[[list[str]], object] = encode) -> dict[str, float]:
        work, seconds = Work(folder, indexes, encode), {}
        for name, step in CHAIN.items():
            began = time.process_time()
            step(work)
            seconds[name] = time.process_time() - began
        return seconds

    take(len)  # compiles, or loads what is compiled, without showing the documents to the encoder
    return take

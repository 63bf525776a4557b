"""Our side of benchmarks/text.py: each step made ready on a folder of `benchmarks.material`, then taken and timed."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gigatoken
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from resiliparse.extract.html2text import extract_plain_text

from benchmarks.material import LONG_WORDS, SPLIT_PATTERN, VOCABULARY_SIZE, read_texts
from stages.text.contamination import Index
from stages.text.kernels import signature
from stages.text.language import detect
from stages.text.measures import measure
from stages.text.near_duplicates import clusters, permutations
from stages.text.personal_data import mask_all
from stages.text.repair import repair
from stages.text.tokenizer import Tokenizer
from stages.text.vocabulary import learn
from stages.text.word_hashes import text_ngrams, word_hashes

FUNCTIONS = 14 * 8
SHINGLE_WORDS = 5

Take = Callable[[], object]
"""A step that is ready: what it loads or compiles is loaded and compiled."""


def encoder(folder: Path) -> Callable[[list[str]], object]:
    """What turns texts into ids by the vocabulary in `folder`: gigatoken where it knows the split, else the stages'."""
    try:
        return partial(gigatoken.Tokenizer(str(folder / "tokenizer.json")).encode_batch, parallel=False)
    except RuntimeError:  # a split pattern that it has no code for
        return Tokenizer.load(folder).encode_batch


def documents(folder: Path) -> list[str]:
    """The documents of a folder."""
    return pq.read_table(folder / "documents", columns=["text"]).column("text").to_pylist()


def measures(folder: Path) -> Take:
    """Every quality and repetition measure of every document."""
    texts = documents(folder)
    measure(texts[:2])
    return lambda: measure(texts)


def sign(hashes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The MinHash signature of every text, given its word hashes."""
    functions = permutations(FUNCTIONS, seed=1)
    return [signature(text_ngrams(words, SHINGLE_WORDS), *functions) for words in hashes]


def signatures(folder: Path) -> Take:
    """The MinHash signature of every document."""
    texts = documents(folder)
    sign([word_hashes(text) for text in texts[:2]])
    return lambda: sign([word_hashes(text) for text in texts])


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
    return lambda: learn(texts, VOCABULARY_SIZE, SPLIT_PATTERN)


def link(size: int, pairs: Sequence[tuple[int, int]]) -> object:
    """Clusters of `size` documents that are joined by pairs."""
    return clusters(size, pairs)


def main_text(folder: Path) -> Take:
    """The main text of every page."""
    pages = read_texts(folder, "pages")
    return lambda: [extract_plain_text(page, main_content=True) for page in pages]


@dataclass
class Work:
    """What the chain has made of a folder's documents so far."""

    folder: Path
    items: Index
    encode: Callable[[list[str]], object]
    texts: list[str] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    """Of the table that is written, beside the text."""
    hashes: list[np.ndarray] = field(default_factory=list)
    """Of the words of each text."""
    signatures: list[np.ndarray] = field(default_factory=list)
    """Made and not written, as on the peer's side, since the band join keeps them in files of its own."""


def _read(work: Work) -> None:
    work.texts = documents(work.folder)


def _repair(work: Work) -> None:
    work.texts = list(map(repair, work.texts))


def _language(work: Work) -> None:
    work.columns["language"], work.columns["language_score"] = zip(*map(detect, work.texts), strict=True)


def _measure(work: Work) -> None:
    work.columns |= {str(name): values for name, values in measure(work.texts).items()}


def _mask(work: Work) -> None:
    masked = mask_all(work.texts)
    work.texts, work.columns["masked"] = [text for text, _ in masked], [spans for _, spans in masked]


def _hash(work: Work) -> None:
    work.hashes = list(map(word_hashes, work.texts))


def _sign(work: Work) -> None:
    work.signatures = sign(work.hashes)


def _scan(work: Work) -> None:
    work.columns["contaminated"] = list(map(len, work.items.hits(work.hashes)))


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
    "word hashes": _hash,
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
    index = Index([word_hashes(item) for item in items], LONG_WORDS)

    def take(encode: Callable[[list[str]], object] = encode) -> dict[str, float]:
        work, seconds = Work(folder, index, encode), {}
        for name, step in CHAIN.items():
            began = time.process_time()
            step(work)
            seconds[name] = time.process_time() - began
        return seconds

    take(len)  # compiles, or loads what is compiled, without showing the documents to the encoder
    return take

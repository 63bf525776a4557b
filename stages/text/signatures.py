"""MinHash signatures and content hashes of a part of the corpus, and the shingles of some of its documents.

Broder 1997 for MinHash. Each function here makes one file of arrays from one part alone, so that parts can be worked
on in any order and in any process.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from stages.text.code_points import alphabet
from stages.text.comparable import Comparable, read_batches
from stages.text.kernels import text_shingles, text_signatures
from stages.text.near_duplicates import permutations
from stages.text.scratch_arrays import Form, write_arrays

SIGNATURE_VERSION = 1
"""Of signatures and shingles alike: raised when words, their hashes or the hash functions change."""

RECORD_BYTES = 28
"""Of a document in a file of signatures, beside the signature itself."""


class Shape(NamedTuple):
    """What two signatures must have in common to be compared."""

    seed: int
    shingle_words: int
    bands: int
    rows: int

    @property
    def functions(self) -> int:
        """Values of a signature."""
        return self.bands * self.rows

    def form(self, what: str) -> Form:
        """That of a file which depends on these parameters."""
        return Form(what, SIGNATURE_VERSION, self._asdict())


def sign_part(part: Path, output: Path, shape: Shape) -> None:
    """Write what documents are compared by, a row for each of the part, in its order.

    `content` uint64 [documents, 2], `signature` uint32 [documents, functions], `characters` int64 of the whole text and
    `words` uint32 of what is compared.
    """
    functions, known = permutations(shape.functions, shape.seed), alphabet()
    blocks: dict[str, list[np.ndarray]] = {
        "content": [np.empty((0, 2), dtype=np.uint64)],
        "signature": [np.empty((0, shape.functions), dtype=np.uint32)],
        "characters": [np.empty(0, dtype=np.int64)],
        "words": [np.empty(0, dtype=np.uint32)],
    }
    for batch in read_batches(part, ["kind", "text"]):
        compared = Comparable.of(batch["text"], batch["kind"])
        codes, starts = compared.decoded()
        signed, words = text_signatures(codes, starts, known.classes, known.lower, shape.shingle_words, *functions)
        blocks["content"].append(compared.content_hashes())
        blocks["signature"].append(signed)
        blocks["characters"].append(pc.utf8_length(batch["text"]).fill_null(0).to_numpy().astype(np.int64))
        blocks["words"].append(words.astype(np.uint32))
    write_arrays(output, shape.form("signatures"), blocks)


def shingle_part(part: Path, wanted: np.ndarray, output: Path, shape: Shape) -> None:
    """Write the different shingles of the `wanted` documents, ascending row numbers of the part.

    `shingles` uint64, those of a document ascending, and `counts` int64 [wanted].
    """
    known = alphabet()
    shingles, counts = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    first = 0
    for batch in read_batches(part, ["kind", "text"]):
        begin, end = np.searchsorted(wanted, [first, first + len(batch)])
        some = batch.take(wanted[begin:end] - first)
        codes, starts = Comparable.of(some["text"], some["kind"]).decoded()
        found, sizes = text_shingles(codes, starts, known.classes, known.lower, shape.shingle_words)
        shingles.append(found)
        counts.append(sizes)
        first += len(batch)
    write_arrays(output, shape.form("shingles"), {"shingles": shingles, "counts": counts})

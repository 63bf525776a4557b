"""The texts of a part of the corpus as code points, without what is not compared, a batch of documents at a time."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.text.code_points import Texts
from stages.text.kernels import behind_blank_line, decode_utf8

BATCH_DOCUMENTS = 2_048
_READ_BYTES = 2**20


class Comparable(NamedTuple):
    """What of some documents is compared: of a docstring, all but the line of name and signature."""

    data: np.ndarray
    """UTF-8 of all texts, uint8."""
    begins: np.ndarray
    """Where what is compared of each text begins in `data`, int64."""
    ends: np.ndarray

    @classmethod
    def of(cls, texts: pa.Array, kinds: pa.Array) -> "Comparable":
        """That of documents given by their columns."""
        strings = texts.cast(pa.large_string()).fill_null("")
        _, ends, data = strings.buffers()
        bounds = np.frombuffer(ends, dtype=np.int64)[strings.offset : strings.offset + len(strings) + 1]
        content = np.frombuffer(data or b"", dtype=np.uint8)
        is_reference = pc.equal(kinds, "reference").fill_null(False).to_numpy(zero_copy_only=False)
        return cls(content, behind_blank_line(content, bounds[:-1], bounds[1:], is_reference), bounds[1:])

    def decoded(self) -> Texts:
        """What is compared, as code points."""
        return Texts(*decode_utf8(*self))

    def content_hashes(self) -> np.ndarray:
        """The first half of each text's SHA-256, uint64 [texts, 2]: equal for equal texts alone."""
        whole = self.data.data
        digests = [
            hashlib.sha256(whole[begin:end]).digest()[:16]
            for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True)
        ]
        return np.frombuffer(b"".join(digests), dtype=np.uint64).reshape(-1, 2)


def whole_texts(texts: pa.Array | pa.ChunkedArray) -> Texts:
    """A column of texts as code points."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return Comparable.of(column, pa.nulls(len(column), pa.string())).decoded()


def read_batches(part: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The documents of a part in their order, some of their columns, with no more in memory than a batch."""
    with pq.ParquetFile(part, buffer_size=_READ_BYTES) as file:
        yield from file.iter_batches(BATCH_DOCUMENTS, columns=columns)

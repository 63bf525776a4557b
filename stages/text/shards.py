"""Token folders: packed rows, which document each token belongs to, and where every piece of a document lies."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import ExitCode, StageError
from stages.text.documents import write_table

PIECE_SCHEMA = pa.schema(
    [
        pa.field("document_id", pa.string(), metadata={"doc": "document, or canary"}),
        pa.field("copy", pa.int32(), metadata={"doc": "0 for the first time the document is in the folder"}),
        pa.field("source", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("row", pa.int32()),
        pa.field("start", pa.int32(), metadata={"doc": "column of the piece's first token"}),
        pa.field("length", pa.int32(), metadata={"doc": "tokens in the piece"}),
        pa.field("offset", pa.int32(), metadata={"doc": "place of its first token in the document"}),
        pa.field("bytes", pa.int32(), metadata={"doc": "UTF-8 bytes of the tokens it predicts: all but its first"}),
    ],
    metadata={"schema_version": "1"},
)


@dataclass(frozen=True)
class TokenRows:
    """A token folder.

    A row is one more than the context long: its inputs are all but the last token, its targets all but the first.
    A target counts where its segment is that of the token before it and not 0, which is padding.
    """

    rows: np.ndarray
    """uint16, or uint32 for a vocabulary of more ids, [rows, context + 1], memory-mapped."""
    segments: np.ndarray
    """uint16 [rows, context + 1], memory-mapped: 1, 2, ... for each piece in the row, 0 for padding."""
    pieces: pd.DataFrame
    """One row per piece, columns of `PIECE_SCHEMA`, ordered by document, copy and offset."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a token folder."""
        try:
            rows, segments = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("rows", "segments"))
            pieces = pq.read_table(folder / "pieces.parquet").to_pandas()
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            raise StageError(
                ExitCode.DATA, "cannot read token folder", f"{folder}: {error}", "Run encode again."
            ) from error
        return cls(rows, segments, pieces)

    @property
    def context_length(self) -> int:
        """Inputs per row."""
        return int(self.rows.shape[1]) - 1

    def documents_in(self, index: np.ndarray) -> list[str]:
        """The ids of the documents of which a row of the index holds a piece."""
        return [str(name) for name in self.pieces.loc[self.pieces["row"].isin(index), "document_id"].unique()]


class RowFiles(AbstractContextManager["RowFiles"]):
    """The files of rows and segments of a token folder, written from front to back as NumPy's format has them."""

    def __init__(self, folder: Path, count: int, context_length: int, id_type: np.typing.DTypeLike) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [(folder / f"{name}.npy").open("wb") for name in ("rows", "segments")]
        self._types = [np.dtype(id_type).newbyteorder("<"), np.dtype("<u2")]
        for file, kind in zip(self._files, self._types, strict=True):
            header = {"descr": kind.str, "fortran_order": False, "shape": (count, context_length + 1)}
            np.lib.format.write_array_header_1_0(file, header)

    def append(self, rows: np.ndarray, segments: np.ndarray) -> None:
        """Write the next places of both in the order of rows."""
        for file, content, kind in zip(self._files, (rows, segments), self._types, strict=True):
            file.write(np.ascontiguousarray(content, dtype=kind).data)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        for file in self._files:
            file.close()


def write_rows(folder: Path, rows: np.ndarray, segments: np.ndarray, pieces: pd.DataFrame) -> None:
    """Write a token folder; see `TokenRows` for the shapes."""
    with RowFiles(folder, len(rows), rows.shape[1] - 1, rows.dtype) as files:
        files.append(rows, segments)
    write_pieces(folder, pieces)


def write_pieces(folder: Path, pieces: pd.DataFrame) -> None:
    """Write the pieces of a token folder."""
    write_table(folder / "pieces.parquet", pieces, PIECE_SCHEMA)


def documents(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every document of a token folder, whole: its id and its tokens from bos to end.

    A document that was put in several times comes as often, copies in turn.
    """
    loaded = TokenRows.load(folder)
    rows = np.asarray(loaded.rows)
    places = zip(*(loaded.pieces[name] for name in ("document_id", "row", "start", "length", "offset")), strict=True)
    current, parts = "", list[np.ndarray]()
    for document_id, row, start, length, offset in places:
        if offset == 0 and parts:
            yield current, np.concatenate(parts)
            parts = []
        current = document_id
        # Pieces of one document overlap by a token.
        parts.append(rows[row, start + (offset > 0) : start + length])
    if parts:
        yield current, np.concatenate(parts)

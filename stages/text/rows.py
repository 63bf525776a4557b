"""The texts of files that hold many: lines of JSON, rows of Parquet and Arrow, a few at a time."""

import codecs
import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import PurePosixPath
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from stages.text.contents import CHUNK, LARGEST_TEXT, TOO_LONG, Content, chunks, lines, opened
from stages.text.dates import iso_date
from stages.text.reading import Reading, UnreadableError

COLUMN_SUFFIXES = (".parquet", ".arrow")
TABLE_SUFFIXES = (".jsonl", ".ndjson", *COLUMN_SUFFIXES)

Row = tuple[object, object]
"""What a row holds in the place of its text, and in that of its date."""

DATE = "date"
"""The field or column of a row's date."""

ROWS = 256
"""Rows of a table that are read at a time: few, for a row may hold a book."""

HALF_CHARACTER = "not text: it holds half of a surrogate pair"


def is_text(text: str) -> bool:
    """Whether a string can be written in UTF-8: JSON and Python can spell half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def rows(path: str, content: Content, column: str, reading: Reading) -> Iterator[tuple[str, str, str | None]]:
    """Place, text and ISO date of each row; the row is part of the place, so that rows are told apart.

    The date is that of the field or column `date`, where there is one and it holds dates.

    A row that holds no text is listed in `reading`. UnreadableError where the file breaks off; rows before that count.
    """
    suffix = PurePosixPath(path).suffix.lower()
    is_table = suffix in COLUMN_SUFFIXES
    values = _cells(suffix, content, column) if is_table else _lines(path, content, column, reading)
    for number, (value, date) in values:
        place = f"{path}#{number}"
        if not isinstance(value, str):
            reading.skip(place, "text is not a string")
        elif not value.strip():
            reading.skip(place, "empty")
        elif not is_text(value):
            reading.skip(place, HALF_CHARACTER)
        elif len(value) > LARGEST_TEXT:
            reading.skip(place, TOO_LONG)
        else:
            yield place, value, iso_date(date)


def _lines(path: str, content: Content, column: str, reading: Reading) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines(_utf8(chunks(content))), start=1):
        if line is None:
            reading.skip(f"{path}#{number}", TOO_LONG)
            continue
        try:
            found = json.loads(line.decode())
            yield number, (found[column], found.get(DATE))
        except UnicodeDecodeError as error:
            reading.skip(f"{path}#{number}", f"not JSON, which is UTF-8: {error.reason} at byte {error.start}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reading.skip(f"{path}#{number}", f"no field {column!r} in a line of JSON: {error}")


def _utf8(found: Iterator[bytes]) -> Iterator[bytes]:
    """Chunks without a byte order mark, and in UTF-8 where that mark is one of UTF-16."""
    first = next(found, b"")
    following = itertools.chain([first], found)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _recoded(following)
    return itertools.chain([first.removeprefix(codecs.BOM_UTF8)], found)


def _recoded(found: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for text in codecs.iterdecode(found, "utf-16"):
            yield text.encode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not {error.encoding}: {error.reason} at byte {error.start}") from error


def _cells(suffix: str, content: Content, column: str) -> Iterator[tuple[int, Row]]:
    try:
        with closing(opened(content)) as stream:
            read = _parquet_batches if suffix == ".parquet" else _arrow_batches
            pairs = (_pairs(batch, column) for batch in read(stream, column))
            yield from enumerate(itertools.chain.from_iterable(pairs), start=1)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise UnreadableError(f"no column {column!r} in a {suffix} file: {error}") from error


def _pairs(batch: pa.RecordBatch, column: str) -> Iterator[Row]:
    return zip(batch.column(column).to_pylist(), _dates(batch), strict=False)


def _dates(batch: pa.RecordBatch) -> Iterable[object]:
    """The dates of a batch, none where they are in no form that can be read."""
    if DATE in batch.schema.names:
        with suppress(OverflowError, ValueError, pa.ArrowException):  # a year that no calendar has
            return cast(list[object], batch.column(DATE).to_pylist())
    return itertools.repeat(None)


def _parquet_batches(stream: IO[bytes], column: str) -> Iterator[pa.RecordBatch]:
    # Buffered, a column of a row group is not read as a whole.
    with pq.ParquetFile(stream, buffer_size=CHUNK, pre_buffer=False) as file:
        if column not in file.schema_arrow.names:
            raise KeyError(column)
        for group in range(file.num_row_groups):  # so that a damaged one takes no row of the one before with it
            yield from file.iter_batches(ROWS, row_groups=[group], columns=[column, DATE], use_threads=False)


def _arrow_batches(stream: IO[bytes], _: str) -> Iterator[pa.RecordBatch]:
    with pa.ipc.open_stream(stream) as batches:  # as `save_to_disk` of Hugging Face data sets writes it
        yield from batches

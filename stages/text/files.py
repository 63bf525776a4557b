"""Documents from files of the formats that people keep text in: txt, md, rst, html, py, jsonl, Parquet and Arrow."""

import codecs
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from resiliparse.extract.html2text import extract_plain_text

from stages.text.python_source import module_name, read_module, reference_text, without_docstrings
from stages.text.reading import RawDocument, Reading

PROSE_SUFFIXES = (".txt", ".md", ".rst")
TABLE_SUFFIXES = (".jsonl", ".parquet", ".arrow")
SUFFIXES = (*PROSE_SUFFIXES, ".html", ".htm", ".py", *TABLE_SUFFIXES)

LARGEST_FILE = 2**31
"""Bytes of a file, unpacked. Files are read whole, and what is made of one takes several times its size in memory."""

HALF_CHARACTER = "not text: it holds half of a surrogate pair"

# Behind a blank line and before a line at the margin: a new paragraph, or a new top-level definition.
_GAP = re.compile(r"(?<=\n\n)(?=\S)")

_MARKDOWN_UNSEEN = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", re.DOTALL)
_MARKDOWN_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class UnreadableError(Exception):
    """A file, line or row that gives no document; the message is the reason that the manifest states."""


def require_bearable(size: int) -> None:
    """UnreadableError for a file of more bytes than are read."""
    if size > LARGEST_FILE:
        raise UnreadableError(f"too large: more than {LARGEST_FILE:,} bytes; split it")


def file_content(path: Path) -> bytes:
    """The bytes of a file; the reason why it cannot be read names no path, for that differs between machines."""
    try:
        require_bearable(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot be opened: {error.strerror}") from error


def decode(content: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 where it starts with that byte order mark."""
    if not content.strip():
        raise UnreadableError("empty")
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in content and not is_utf16:
        raise UnreadableError("binary: it holds null bytes")
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not {error.encoding}: {error.reason} at byte {error.start}") from error


def markdown_text(text: str) -> str:
    """Markdown without comments, images and the addresses of links, none of which a reader sees."""
    return _MARKDOWN_LINK.sub(r"\1", _MARKDOWN_UNSEEN.sub("", text))


def pieces(text: str, most_characters: int) -> Iterator[str]:
    """The text in stretches of at most `most_characters`, cut between paragraphs or top-level definitions.

    A paragraph longer than that stays whole. A stretch that the text repeats comes once.
    """
    stretches = [""]
    for block in _GAP.split(text):
        if stretches[-1] and len(stretches[-1]) + len(block) > most_characters:
            stretches.append("")
        stretches[-1] += block
    yield from dict.fromkeys(stretch.strip("\n") for stretch in stretches if stretch.strip())


def is_text(text: str) -> bool:
    """Whether a string can be written in UTF-8: JSON and Python can spell half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_file(path: str, fetch: Callable[[], bytes], column: str, reading: Reading, most_characters: int) -> None:
    """Add the documents of one file to `reading`; what cannot be read is listed there, never raised.

    `path` is relative to the source's root, and `fetch` gives the content or raises UnreadableError. `column` holds
    the text in formats that have columns, one document a row. Documents other than docstrings are cut into `pieces`.
    """
    readable = path.encode(errors="backslashreplace").decode()
    if readable != path:
        reading.skip(readable, "its name is not UTF-8")
        return
    try:
        texts = list(_texts(path, fetch(), column, reading))
    except UnreadableError as error:
        reading.skip(path, str(error))
        return
    reading.files_read += 1
    for place, kind, text in texts:
        reading.documents += [
            RawDocument(reading.source, place, None, kind, reading.licence, None, piece)
            for piece in pieces(text, most_characters)
        ]


def _texts(path: str, content: bytes, column: str, reading: Reading) -> Iterator[tuple[str, str, str]]:
    """Path, kind and text of what a file holds; docstrings go to `reading` at once, for they are not cut."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".parquet", ".arrow"):
        yield from _values(path, enumerate(_column(content, column, suffix), start=1), reading)
    elif suffix == ".jsonl":
        yield from _values(path, _lines(path, decode(content), column, reading), reading)
    elif suffix == ".py":
        text = decode(content)
        reading.documents += _docstrings(path, text, reading)
        yield path, "code", without_docstrings(text)
    elif suffix in (".html", ".htm"):
        yield path, "web", extract_plain_text(decode(content), main_content=True)
    else:
        text = decode(content)
        yield path, "prose", markdown_text(text) if suffix == ".md" else text


def _docstrings(path: str, text: str, reading: Reading) -> list[RawDocument]:
    module = module_name(path)
    try:
        documented = read_module(text, module, is_package=path.endswith("__init__.py")).documented
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UnreadableError(f"not Python: {error}") from error
    documents = []
    for item in documented:
        name = f"{module}.{item.name}" if item.name else module
        text = reference_text(name, item)
        if not is_text(text):
            reading.skip(f"{path}#{name}", HALF_CHARACTER)
            continue
        documents.append(
            RawDocument(reading.source, path, name, "reference", reading.licence, item.version_added, text)
        )
    return documents


def _lines(path: str, text: str, column: str, reading: Reading) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield number, json.loads(line)[column]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reading.skip(f"{path}#{number}", f"no field {column!r} in a line of JSON: {error}")


def _column(content: bytes, column: str, suffix: str) -> list[object]:
    try:
        if suffix == ".parquet":
            return pq.read_table(io.BytesIO(content), columns=[column]).column(column).to_pylist()
        with pa.ipc.open_stream(content) as stream:  # as `save_to_disk` of Hugging Face data sets writes it
            return stream.read_all().column(column).to_pylist()
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise UnreadableError(f"no column {column!r} in a {suffix} file: {error}") from error


def _values(path: str, values: Iterable[tuple[int, object]], reading: Reading) -> Iterator[tuple[str, str, str]]:
    """Each text with its row as part of its path, so that rows are told apart."""
    for number, value in values:
        place = f"{path}#{number}"
        if not isinstance(value, str):
            reading.skip(place, "text is not a string")
        elif not value.strip():
            reading.skip(place, "empty")
        elif not is_text(value):
            reading.skip(place, HALF_CHARACTER)
        else:
            yield place, "prose", value

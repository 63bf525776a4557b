"""The bytes of a file on disk or of one being unpacked: whole, in chunks or line by line, in bounded memory."""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from stages.text.reading import UnreadableError

Content = Path | Callable[[], Iterator[bytes]]
"""A file on disk, or what gives the chunks of one that is unpacked; UnreadableError comes where it breaks off."""

LARGEST_FILE = 2**31
"""Bytes of a file that is read whole, unpacked: what is made of one takes several times its size in memory."""

LARGEST_TEXT = 2**28
"""Bytes of a line, and characters of a document: one is never split, so that it lies in memory as a whole."""

CHUNK = 2**20
"""Bytes that are read or unpacked at a time, so that a small file that unpacks to a huge one is noticed."""

TOO_LONG = f"too long: one line, value or paragraph of more than {LARGEST_TEXT:,} characters"


def require_bearable(size: int) -> None:
    """UnreadableError for a file of more bytes than are read whole."""
    if size > LARGEST_FILE:
        raise UnreadableError(f"too large: more than {LARGEST_FILE:,} bytes; split it")


def file_content(path: Path) -> bytes:
    """The bytes of a file; the reason why it cannot be read names no path, for that differs between machines."""
    try:
        require_bearable(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot be opened: {error.strerror}") from error


def stream_chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What a stream holds, `CHUNK` bytes at a time."""
    while chunk := stream.read(CHUNK):
        yield chunk


def chunks(content: Content) -> Iterator[bytes]:
    """What a file holds, a chunk at a time; UnreadableError if it cannot be opened or breaks off."""
    if not isinstance(content, Path):
        yield from content()
        return
    try:
        with content.open("rb") as stream:
            yield from stream_chunks(stream)
    except OSError as error:
        raise UnreadableError(f"cannot be opened: {error.strerror}") from error


def whole(content: Content) -> bytes:
    """All that a file holds; UnreadableError if that is more than `LARGEST_FILE` bytes."""
    if isinstance(content, Path):
        return file_content(content)
    unpacked = bytearray()
    for chunk in content():
        unpacked += chunk
        require_bearable(len(unpacked))
    return bytes(unpacked)


def require_short_lines(content: bytes) -> None:
    """UnreadableError for a line of more than `LARGEST_TEXT` bytes: known before the text takes several times that."""
    start = 0
    while len(content) - start > LARGEST_TEXT:
        end = content.rfind(b"\n", start, start + LARGEST_TEXT + 1)
        if end < 0:
            raise UnreadableError(TOO_LONG)
        start = end + 1


def lines(found: Iterable[bytes]) -> Iterator[bytes | None]:
    """The lines in chunks of bytes, without their ends; None for one of more than `LARGEST_TEXT`, which is not kept."""
    start = bytearray()  # of the line that goes on in the next chunk; of one that is too long just enough to tell
    for chunk in found:
        first, *others = chunk.split(b"\n")
        if len(start) <= LARGEST_TEXT:
            start += first
        for following in others:
            yield bytes(start) if len(start) <= LARGEST_TEXT else None
            start = bytearray(following)
    if start:
        yield bytes(start) if len(start) <= LARGEST_TEXT else None


def opened(content: Content) -> IO[bytes]:
    """A file object that can be searched, as tables need it: what is unpacked lies in memory as a whole."""
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(whole(content))

"""Files inside archives and compressed files, read as if they lay beside the others; nothing is unpacked to disk."""

import bz2
import contextlib
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

import pyarrow as pa

from stages.text.files import UnreadableError, file_content, require_bearable
from stages.text.reading import Reading

Fetch = Callable[[], bytes]
"""Gives a file's content, or raises UnreadableError."""

Opened = Callable[[], IO[bytes]]

LARGEST_ARCHIVE = 2**33
"""Bytes of all files that are read of one archive: a small one can hold more than any disk."""

CHUNK = 2**20
"""Bytes that are unpacked at a time, so that a small file that unpacks to a huge one is noticed."""


def _open_zstandard(path: Path) -> IO[bytes]:
    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")  # a file object in all but its class


COMPRESSIONS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": cast(Callable[[Path], IO[bytes]], gzip.GzipFile),
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstandard,
}
SHORT_NAMES = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz"}
NOT_COMPRESSED = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)
BROKEN = (
    *NOT_COMPRESSED,
    OSError,
    ValueError,
    RuntimeError,  # a password is needed
    zipfile.BadZipFile,
    tarfile.TarError,
)


@contextlib.contextmanager
def unpacking(errors: tuple[type[Exception], ...] = BROKEN) -> Iterator[None]:
    """UnreadableError instead of one of `errors`."""
    try:
        yield
    except errors as error:
        raise UnreadableError(f"cannot be unpacked: {error}") from error


def read_bearable(stream: IO[bytes]) -> bytes:
    """All that a stream holds; UnreadableError if that is too much."""
    content = bytearray()
    while chunk := stream.read(CHUNK):
        content += chunk
        require_bearable(len(content))
    return bytes(content)


def _unpacked(opened: Opened) -> bytes:
    with unpacking(), opened() as stream:
        return read_bearable(stream)


def _zip_members(path: Path) -> Iterator[tuple[str, Fetch]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, partial(_unpacked, partial(archive.open, member))


def _tar_members(path: Path, compression: str) -> Iterator[tuple[str, Fetch]]:
    opened = COMPRESSIONS[compression](path) if compression else path.open("rb")
    # As a stream: each member is read, or passed over, before the next one is looked for.
    with opened as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.isfile():
                yield member.name, partial(_unpacked, cast(Opened, partial(archive.extractfile, member)))


def _members(path: Path) -> Iterator[tuple[str, Fetch]] | None:
    """Name and content of every file in an archive; None for what is none."""
    name = path.name.lower()
    for short, long in SHORT_NAMES.items():
        name = name.removesuffix(short) + long if name.endswith(short) else name
    if name.endswith(".zip"):
        return _zip_members(path)
    compression = next((suffix for suffix in COMPRESSIONS if name.endswith(suffix)), "")
    return _tar_members(path, compression) if name.removesuffix(compression).endswith(".tar") else None


def _safe(members: Iterator[tuple[str, Fetch]], place: str, reading: Reading) -> Iterator[tuple[str, Fetch]]:
    """The members whose names lie in the archive, each once, with their place in the source."""
    seen: set[str] = set()
    size = 0

    def counted(fetch: Fetch) -> bytes:
        nonlocal size
        content = fetch()
        size += len(content)
        if size > LARGEST_ARCHIVE:
            raise UnreadableError(f"too large: its archive holds more than {LARGEST_ARCHIVE:,} bytes; split it")
        return content

    for name, fetch in members:
        path = PurePosixPath(name.replace("\\", "/"))
        inside = f"{place}/{path.as_posix().lstrip('/')}"
        if path.is_absolute() or ".." in path.parts:
            reading.skip(inside, "its name leads out of the archive")
        elif inside in seen:
            reading.skip(inside, "another file of the archive has its name")
        elif not any(part.startswith(".") for part in path.parts):
            seen.add(inside)
            yield inside, partial(counted, fetch)


def files_in(path: Path, place: str, reading: Reading) -> Iterator[tuple[str, Fetch]]:
    """Place in the source and content of a file, of what it holds in compressed form, or of all files of an archive.

    What cannot be opened is listed in `reading`; what an archive holds behind its first broken part is not found.
    """
    members = _members(path)
    compression = Path(place).suffix.lower()
    if members is None and compression in COMPRESSIONS:
        yield place.removesuffix(Path(place).suffix), partial(_unpacked, partial(COMPRESSIONS[compression], path))
    elif members is None:
        yield place, partial(file_content, path)
    else:
        try:
            yield from _safe(members, place, reading)
        except BROKEN as error:
            reading.skip(place, f"cannot be unpacked: {error}")

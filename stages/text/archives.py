"""Files inside archives and compressed files, read as if they lay beside the others; nothing is unpacked to disk."""

import bz2
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

from stages.text.contents import Content, stream_chunks
from stages.text.reading import Reading, UnreadableError

Chunks = Callable[[], Iterator[bytes]]
"""Gives what a file holds, unpacked; UnreadableError comes where it breaks off."""

Opened = Callable[[], IO[bytes]]

LARGEST_ARCHIVE = 2**33
"""Bytes of all files that are read of one archive or compressed file: a small one can hold more than any disk."""


def _open_zstandard(path: Path) -> IO[bytes]:
    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")  # a file object in all but its class


COMPRESSIONS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": cast(Callable[[Path], IO[bytes]], gzip.GzipFile),
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstandard,
}
SHORT_NAMES = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz"}
BROKEN = (
    EOFError,
    OSError,
    ValueError,
    RuntimeError,  # a password is needed
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)


def _unpacked(opened: Opened) -> Iterator[bytes]:
    size = 0
    try:
        with opened() as stream:
            for chunk in stream_chunks(stream):
                size += len(chunk)
                if size > LARGEST_ARCHIVE:
                    raise UnreadableError(f"too large: it unpacks to more than {LARGEST_ARCHIVE:,} bytes; split it")
                yield chunk
    except BROKEN as error:
        raise UnreadableError(f"cannot be unpacked: {error}") from error


def _zip_members(path: Path) -> Iterator[tuple[str, Chunks]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, partial(_unpacked, partial(archive.open, member))


def _tar_members(path: Path, compression: str) -> Iterator[tuple[str, Chunks]]:
    opened = COMPRESSIONS[compression](path) if compression else path.open("rb")
    # As a stream: each member is read, or passed over, before the next one is looked for.
    with opened as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.isfile():
                yield member.name, partial(_unpacked, cast(Opened, partial(archive.extractfile, member)))


def archive_suffixes(name: str) -> str | None:
    """The suffixes of an archive, `.zip`, or `.tar` with that of its compression; None for what is none."""
    name = name.lower()
    for short, long in SHORT_NAMES.items():
        name = name.removesuffix(short) + long if name.endswith(short) else name
    if name.endswith(".zip"):
        return ".zip"
    compression = next((suffix for suffix in COMPRESSIONS if name.endswith(suffix)), "")
    return f".tar{compression}" if name.removesuffix(compression).endswith(".tar") else None


def _members(path: Path) -> Iterator[tuple[str, Chunks]] | None:
    """Name and content of every file in an archive; None for what is none."""
    suffixes = archive_suffixes(path.name)
    if suffixes is None:
        return None
    return _zip_members(path) if suffixes == ".zip" else _tar_members(path, suffixes.removeprefix(".tar"))


def _safe(members: Iterator[tuple[str, Chunks]], place: str, reading: Reading) -> Iterator[tuple[str, Chunks]]:
    """The members whose names lie in the archive, each once, with their place in the source."""
    seen: set[str] = set()
    size = 0

    def counted(unpacked: Chunks) -> Iterator[bytes]:
        nonlocal size
        for chunk in unpacked():
            size += len(chunk)
            if size > LARGEST_ARCHIVE:
                raise UnreadableError(f"too large: its archive holds more than {LARGEST_ARCHIVE:,} bytes; split it")
            yield chunk

    for name, unpacked in members:
        path = PurePosixPath(name.replace("\\", "/"))
        inside = f"{place}/{path.as_posix().lstrip('/')}"
        if path.is_absolute() or ".." in path.parts:
            reading.skip(inside, "its name leads out of the archive")
        elif inside in seen:
            reading.skip(inside, "another file of the archive has its name")
        elif not any(part.startswith(".") for part in path.parts):
            seen.add(inside)
            yield inside, partial(counted, unpacked)


def plain_name(place: str) -> str:
    """The name of a compressed file without the suffix that says so; any other name as it is."""
    path = PurePosixPath(place)
    is_archive = archive_suffixes(path.name) is not None
    return place.removesuffix(path.suffix) if path.suffix.lower() in COMPRESSIONS and not is_archive else place


def files_in(path: Path, place: str, reading: Reading) -> Iterator[tuple[str, Content]]:
    """Place in the source and content of a file, of what it holds in compressed form, or of all files of an archive.

    What cannot be opened is listed in `reading`; what an archive holds behind its first broken part is not found.
    """
    members = _members(path)
    compression = path.suffix.lower()
    if members is not None:
        try:
            yield from _safe(members, place, reading)
        except BROKEN as error:
            reading.skip(place, f"cannot be unpacked: {error}")
    elif compression in COMPRESSIONS:
        yield place, partial(_unpacked, partial(COMPRESSIONS[compression], path))
    else:
        yield place, path

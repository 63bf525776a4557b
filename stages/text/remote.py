"""Files behind URLs, each fetched to disk before it is read, so that a transfer may break off and be tried again."""

import time
from pathlib import Path
from typing import Any

import fsspec

from stages.errors import ExitCode, StageError
from stages.text.archives import LARGEST_ARCHIVE
from stages.text.contents import stream_chunks
from stages.text.listing import is_pattern
from stages.text.reading import UnreadableError

ATTEMPTS = 3
"""Transfers of one file before it is listed as one that cannot be read."""

PAUSE = 1.0
"""Seconds before the second attempt; twice that before the third."""


def no_url(url: str, error: object) -> StageError:
    """What is said of a URL behind which nothing is found."""
    return StageError(ExitCode.DATA, "cannot read URL", f"{url}: {error}", "Check the address and the network.")


def addresses(url: str) -> list[tuple[str, str]]:
    """Place and address of the files that a URL stands for, in the order of places; StageError if it names nothing.

    A place is relative to the part of the address before the first pattern.
    """
    try:
        store, path = fsspec.core.url_to_fs(url)
        if not is_pattern(path):
            return [(path.rstrip("/").rpartition("/")[2], path)]
        found = [name for name, one in store.glob(path, detail=True).items() if one["type"] == "file"]
    except (OSError, ValueError, ImportError) as error:
        raise no_url(url, error) from error
    if not found:
        raise no_url(url, "no file has such a name")
    fixed = next(number for number, part in enumerate(path.split("/")) if is_pattern(part))
    return sorted(("/".join(name.split("/")[fixed:]), name) for name in found)


def fetch(url: str, address: str, path: Path) -> None:
    """Copy a file behind `url` to `path`; UnreadableError if all attempts break off, StageError if it is not there."""
    try:
        store = fsspec.core.url_to_fs(url)[0]
    except (OSError, ValueError, ImportError) as error:
        raise no_url(url, error) from error
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
            store.invalidate_cache()
        try:
            _copy(store, address, path)
        except (UnreadableError, StageError):
            raise
        except FileNotFoundError as error:
            raise no_url(url, error) from error
        except Exception as error:  # a store raises what its own library does when a connection breaks
            broken = UnreadableError(f"cannot be fetched: {type(error).__name__}, {ATTEMPTS} times")
            broken.__cause__ = error
        else:
            return
    raise broken


def _copy(store: Any, address: str, path: Path) -> None:
    size = 0
    with store.open(address, "rb") as stream, path.open("wb") as copy:
        for chunk in stream_chunks(stream):
            size += len(chunk)
            if size > LARGEST_ARCHIVE:
                raise UnreadableError(f"too large: more than {LARGEST_ARCHIVE:,} bytes; split it")
            copy.write(chunk)
    stated = getattr(stream, "size", None)
    if stated is not None and size < stated:
        raise EOFError(f"{size} of {stated} bytes")

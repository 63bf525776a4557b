"""Content hashes of files and folders, for records of what came from what."""

import hashlib
from pathlib import Path


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_hash(folder: Path) -> str:
    """SHA-256 over the relative names and hashes of every file below `folder`, in name order."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def path_hash(path: Path) -> str:
    """The hash of a file or of a folder, whichever `path` is."""
    return folder_hash(path) if path.is_dir() else file_hash(path)

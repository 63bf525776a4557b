"""Attributes of a part kept from one run to the next, so that a changed limit measures nothing anew."""

import contextlib
import hashlib
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.text.documents import write_row_groups

CODE = (
    "attributes.py",
    "code_points.py",
    "kernels.py",
    "language.py",
    "measures.py",
    "personal_data.py",
    "repair.py",
)
"""Of this folder, all that decides what the attributes of a text are."""
CALLER = "clean.py"
"""The stage says what is mended and measured."""
PACKAGES = ("eldc", "ftfy", "numba", "numpy", "pandas", "pyarrow")
"""Packages whose answers they hold."""


def attribute_key(part: Path, toxic_words: Sequence[str]) -> str:
    """16 hex digits over what the attributes of a part depend on: its content, the code and the parameters."""
    digest = hashlib.sha256()
    here = Path(__file__)
    for path in (part, here.parents[1] / CALLER, *map(here.with_name, CODE)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    versions = (sys.version.split()[0], unicodedata.unidata_version, *map(version, PACKAGES))
    digest.update("\0".join((*versions, *toxic_words)).encode())
    return digest.hexdigest()[:16]


def kept_or_measured(path: Path, measure: Callable[..., pd.DataFrame], *documents: object) -> pd.DataFrame:
    """The attributes kept at `path`; without any, or any that can be read, what `measure` says, kept there."""
    try:
        return pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException):
        found = measure(*documents)
        with contextlib.suppress(OSError):  # a full disk is no reason to end: what is kept saves time alone
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two tries of one task may write at once.
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as own:
                table = pa.Table.from_pandas(found, preserve_index=False)
                write_row_groups(Path(own, path.name), [table], table.schema)
                Path(own, path.name).replace(path)
        return found


def remove_others(folder: Path, keys: Iterable[str]) -> None:
    """Remove what other inputs, code or parameters left behind."""
    wanted = set(keys)
    for path in folder.glob("*/"):
        if path.name not in wanted:
            shutil.rmtree(path)

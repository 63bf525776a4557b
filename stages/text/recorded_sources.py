"""What `data/sources.json` says of the sources, which is what DVC compares: collect must read just that."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.errors import ExitCode, StageError
from stages.text.packages import PackagesSource, find_package
from stages.text.sources import DatasetSource, FilesSource, Unit

REMEDY = "Run `python -m flows.sources`."


def read_recorded(path: Path) -> Mapping[str, Any]:
    """The recorded sources: `packages`, `files` and `urls`, each by source name."""
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StageError(ExitCode.DATA, "cannot read recorded sources", f"{path}: {error}", REMEDY) from error
    return recorded


def source_hash(recorded: Mapping[str, Any], unit: Unit) -> str:
    """SHA-256 of what is recorded of a unit; StageError if nothing is, or if a package has another version now."""
    if isinstance(unit.source, PackagesSource):
        form = "packages"
    else:
        form = "files" if isinstance(unit.source, FilesSource | DatasetSource) else "urls"
    entry = recorded.get(form, {}).get(unit.name)
    if entry is None:
        raise StageError(ExitCode.DATA, "source not recorded", unit.name, REMEDY)
    if form == "packages":
        installed = find_package(unit.name).version
        if entry["version"] != installed:
            where = f"{unit.name}: {entry['version']} recorded, {installed} installed"
            raise StageError(ExitCode.DATA, "another version is installed", where, REMEDY)
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()

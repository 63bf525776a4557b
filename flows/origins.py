"""What collect read: packages, files and addresses, with their licences, down to the bytes of every file."""

import base64
import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from flows.chain import BrokenLinkError, Check, Line, Step
from flows.lineage import MISSING, Checkout, Stage
from flows.sources import RECORD, WEIGHTS, package_entry, root_and_files, weights_folder
from stages.hashing import file_hash

DOCUMENTS = "data/collect/documents"
MANIFEST = "data/collect/manifest.json"
NOT_RECORDED = "no hash"
_DESCRIPTION = "METADATA"
"""The path of a document that is the description in a package's metadata."""


class Origins:
    """The sources that `data/sources.json` records, held against what is installed and on disk."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        sources = checkout.check(checkout.stages["collect"], RECORD.as_posix())
        if not sources.holds:
            raise BrokenLinkError(sources)
        self.recorded: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
        manifest = json.loads(checkout.verified(MANIFEST).read_text(encoding="utf-8"))
        self._entry = cache(package_entry)
        self.read: dict[str, dict[str, Any]] = {source["name"]: source for source in manifest["sources"]}
        """What the manifest says of each source: licence, version, counts."""

    def form(self, source: str) -> str:
        """`packages`, `files` or `urls`."""
        return next(form for form, entries in self.recorded.items() if source in entries)

    def source_checks(self, source: str) -> Iterator[Check]:
        """Whether a source is the one that collect read, as far as its record goes."""
        form = self.form(source)
        entry = self.recorded[form][source]
        content = json.dumps(entry, sort_keys=True).encode()
        yield Check(f"{RECORD}: {source}", MANIFEST, self.read[source]["hash"], hashlib.sha256(content).hexdigest())
        if form == "packages":
            try:
                found = self._entry(source)
            except PackageNotFoundError:
                found = {"version": "not installed", "hash": MISSING}
            for name, what in (("version", "version of package"), ("hash", "RECORD of package")):
                yield Check(f"{what} {source}", str(RECORD), entry[name], found[name])

    def file_checks(self, source: str, paths: Iterable[str]) -> Iterator[Check]:
        """Whether the files of a source are those it held: every byte, where the record has a hash of the file."""
        form = self.form(source)
        if form == "packages":
            yield from _package_files(source, paths)
        elif form == "files":
            root = self._root(source)
            entries = self.recorded["files"][source]
            # A document that is a row of a file has its number behind the name.
            for path in dict.fromkeys(path if path in entries else path.rpartition("#")[0] for path in paths):
                recorded = entries.get(path, {}).get("hash", NOT_RECORDED)
                yield Check(f"{source}: {path}", str(RECORD), recorded, _sha256(root / path))

    def _root(self, source: str) -> Path:
        parameters = self.checkout.stages["collect"].parameters
        entries = [entry for file in parameters.values() for entry in file["collect"]["sources"]]
        (given,) = (entry.get("path") or entry["dataset"] for entry in entries if entry.get("name") == source)
        return root_and_files(given)[0]

    def line(self, source: str, paths: Iterable[str]) -> Line:
        """One source with what can be said of it, and its files at `paths` checked."""
        read, form = self.read[source], self.form(source)
        files = tuple(self.file_checks(source, paths))
        version = f" {read['version']}" if read["version"] else ""
        text = f"{source}{version}  {read['licence']}  {read['documents']} documents"
        known = f"{len(files)} files re-hashed" if form != "urls" else "behind an address: not re-hashed"
        return Line(form.removesuffix("s"), f"{text}, {known}", (*self.source_checks(source), *files), read)


def _sha256(path: Path) -> str:
    return file_hash(path) if path.is_file() else MISSING


def _package_files(package: str, paths: Iterable[str]) -> Iterator[Check]:
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return  # its record says so already
    recorded = _recorded_files(package)
    for path in paths:
        name = _description(recorded) if path == _DESCRIPTION else path
        file = Path(str(found.locate_file(name)))
        yield Check(f"{package}: {path}", f"RECORD of {package}", _hexadecimal(recorded.get(name, "")), _sha256(file))


def _description(paths: Iterable[str]) -> str:
    return next((path for path in paths if path.endswith(f".dist-info/{_DESCRIPTION}")), _DESCRIPTION)


@cache
def _recorded_files(package: str) -> dict[str, str]:
    """The hash of each file of a package, as the installer recorded it."""
    rows = csv.reader((distribution(package).read_text("RECORD") or "").splitlines())
    return {path: recorded for path, recorded, _ in rows}


def _hexadecimal(recorded: str) -> str:
    """A SHA-256 as RECORD has it (base64 without padding, PEP 376), in the form that others have."""
    encoded = recorded.removeprefix("sha256=")
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex() or NOT_RECORDED


def paths_by_source(checkout: Checkout) -> dict[str, list[str]]:
    """The files that documents were made of, by source."""
    pairs: set[tuple[str, str]] = set()
    for part in checkout.verified(DOCUMENTS).glob("*.parquet"):  # read as a data set, they would load pandas first
        columns = pq.ParquetFile(part).read(columns=["source", "path"]).columns
        pairs.update(zip(*(column.to_pylist() for column in columns), strict=True))
    found: dict[str, list[str]] = {}
    for source, path in sorted(pairs):
        found.setdefault(source, []).append(path)
    return found


def sources_step(checkout: Checkout) -> Step:
    """Every source with its licence, and every file that a document was made of."""
    origins, paths = Origins(checkout), paths_by_source(checkout)
    return Step("sources", tuple(origins.line(source, paths.get(source, [])) for source in origins.read))


def weights_step(checkout: Checkout, stage: Stage) -> Step:
    """The published weights that a stage started from, every file checked."""
    start, record = stage.section["init_from"], WEIGHTS.as_posix()
    recorded = checkout.check(stage, record)
    if not recorded.holds:
        raise BrokenLinkError(recorded)
    files = json.loads(WEIGHTS.read_text(encoding="utf-8"))[stage.name]["files"]
    try:
        folder = Path(weights_folder(start))
    except (OSError, ValueError):  # of the hub, and not downloaded
        folder = Path(MISSING)
    checks = [Check(f"{folder / name}", record, entry["hash"], _sha256(folder / name)) for name, entry in files.items()]
    name = start.get("path") or f"{start['name']} at {start['revision']}"
    return Step(f"weights of {stage.name}", (Line("published", name, (recorded, *checks), start),))

"""Write down what comes from outside, in `data/sources.json` and `data/weights.json`, so that DVC sees it change."""

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from itertools import takewhile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.files import written_whole

PARAMETERS = Path("params.yaml")
RECORD = Path("data/sources.json")
WEIGHTS = Path("data/weights.json")
"""The same for published weights."""

STARTS = ("train_tokenizer", "pretrain")
"""The stages that have `init_from`."""

WEIGHT_FILES = ("config.json", "tokenizer.json", "*.safetensors", "*.safetensors.index.json")
HASH_CACHE = Path("data/file_hashes.json")
CONFIGURATION = 2
"""Exit code of a bad configuration, as the stages have it."""

UNREADABLE = "unreadable"
"""In the place of a file's hash; collect lists the file as one that it could not read."""

# Written by the installer, and different in every folder that the package is installed in.
_LOCAL_FILES = {"INSTALLER", "REQUESTED", "direct_url.json"}
FORMS = {"packages", "path", "dataset", "url"}
"""The keys of which an entry of `collect.sources` has one."""

_PASSWORD = re.compile(r"://[^/@]*:[^/]*@")
"""The beginning of an address with a password in it."""

# Any of these changes when the content behind a URL does; stores name them differently.
_URL_MARKS = ("ETag", "etag", "checksum", "md5Hash", "blob_id", "LastModified", "last_modified", "mtime", "size")


class SourcesError(Exception):
    """What a user can mend in `params.yaml` or in what it points at, in one line."""


def package_entry(name: str) -> dict[str, str]:
    """Version of an installed package, and a hash of its files' hashes as the installer recorded them."""
    package = distribution(name)
    rows = sorted(row for row in (package.read_text("RECORD") or "").splitlines() if _is_portable(row))
    return {"version": package.version, "hash": hashlib.sha256("\n".join(rows).encode()).hexdigest()}


def _is_portable(row: str) -> bool:
    """Whether a RECORD row is the same wherever the package is installed."""
    path = row.rsplit(",", 2)[0].strip('"')
    parts = path.split("/")
    is_local = len(parts) > 1 and parts[-2].endswith(".dist-info") and parts[-1] in _LOCAL_FILES
    return not (path.startswith("..") or path.endswith(".pyc") or is_local)


def root_and_files(path: str) -> tuple[Path, list[Path]]:
    """The folder that paths are relative to, and the visible files of a folder, glob or file name."""
    given = Path(path)
    if given.is_dir():
        root, found = given, given.rglob("*")
    else:
        root = Path(*takewhile(lambda part: not set(part) & set("*?["), given.parts[:-1]))
        found = root.glob(given.relative_to(root).as_posix())
    visible = (file for file in found if not any(part.startswith(".") for part in file.relative_to(root).parts))
    return root, sorted(file for file in visible if _is_file(file))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may not be searched; collect lists it
        return False


def file_hash(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return UNREADABLE


def file_entries(path: str, cache: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """Size and hash of each file, by path relative to the source's root; `cache` spares hashing what did not change."""
    root, files = root_and_files(path)
    entries = {}
    for file in files:
        status = file.stat()
        key = str(file.absolute())
        known = cache.get(key)
        if known is None or known[:2] != [status.st_size, status.st_mtime_ns] or known[2] == UNREADABLE:
            known = [status.st_size, status.st_mtime_ns, file_hash(file)]
            cache[key] = known
        entries[file.relative_to(root).as_posix()] = {"size": known[0], "hash": known[2]}
    return entries


def url_entries(url: str) -> dict[str, dict[str, str]]:
    """What each store says that changes with the content, by address."""
    import fsspec  # only where a URL is configured

    file_system, path = fsspec.core.url_to_fs(url)
    paths = sorted(file_system.glob(path)) if set(path) & set("*?[") else [path]
    entries = {}
    for found in paths:
        information = file_system.info(found)
        entries[found] = {mark: str(information[mark]) for mark in _URL_MARKS if information.get(mark) is not None}
    return entries


def record(sources: Iterable[Mapping[str, Any]], cache: dict[str, list[Any]]) -> dict[str, Any]:
    """What `data/sources.json` is to hold, for the entries of `collect.sources`."""
    recorded: dict[str, dict[str, Any]] = {"packages": {}, "files": {}, "urls": {}}
    for source in sources:
        if "packages" in source:
            recorded["packages"] |= {name: package_entry(name) for name in source["packages"]}
        elif "url" in source:
            recorded["urls"][source["name"]] = url_entries(source["url"])
        else:
            recorded["files"][source["name"]] = file_entries(source.get("path") or source["dataset"], cache)
    return recorded


def weights_folder(start: Mapping[str, str]) -> str:
    """The folder that an `init_from` means; a repository of the hub is downloaded unless it is there."""
    if "path" in start:
        return start["path"]
    import huggingface_hub  # only where weights come from the hub

    return huggingface_hub.snapshot_download(start["name"], revision=start["revision"], allow_patterns=[*WEIGHT_FILES])


def recorded_weights(content: Mapping[str, Any], cache: dict[str, list[Any]]) -> dict[str, Any]:
    """What `data/weights.json` is to hold by `params.yaml`: for each stage with published weights, their files.

    SourcesError if they cannot be had.
    """
    recorded: dict[str, Any] = {}
    for stage in STARTS:
        section = content.get(stage)
        start = section.get("init_from") if isinstance(section, dict) else None
        if not isinstance(start, dict):
            continue  # what it is instead, its stage will say
        try:
            folder = weights_folder(start)
            found = [file_entries(f"{folder}/{pattern}", cache) for pattern in WEIGHT_FILES]
        except (KeyError, TypeError, OSError, ValueError) as error:
            remedy = "Look at init_from in params.yaml; for the hub, set HF_HUB_OFFLINE=0 and have a network."
            raise SourcesError(f"cannot read the weights of {stage}.init_from: {error}. {remedy}") from error
        files = {path: entry for entries in found for path, entry in entries.items()}
        if not files:
            raise SourcesError(f"no weights: {stage}.init_from: nothing in {folder}. Correct it in params.yaml.")
        recorded[stage] = {"files": files}
    return recorded


def write_if_changed(path: Path, content: Mapping[str, Any]) -> bool:
    """Write sorted JSON through a temporary name, unless the file holds just that; whether it was written."""
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with written_whole(path) as file:
        file.write(text)
    return True


def parameters() -> dict[str, Any]:
    """The content of `params.yaml`."""
    try:
        return YAML(typ="safe", pure=True).load(PARAMETERS)
    except (OSError, YAMLError, ValueError) as error:
        raise SourcesError(f"cannot read parameters: {PARAMETERS}: {error}. Mend the file.") from error


def configured(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of `collect.sources`."""
    try:
        sources = content["collect"]["sources"]
    except (KeyError, TypeError) as error:
        raise SourcesError(f"section missing: {PARAMETERS}: collect.sources. Copy it back.") from error
    entries = sources if isinstance(sources, list) else [sources]
    for entry in entries:  # first of all: every other complaint repeats the entry
        values = entry if isinstance(entry, dict) else {"name": None, "": entry}
        if any(_PASSWORD.search(str(value)) for value in values.values()):
            name = values.get("name")
            raise SourcesError(
                f"password in an address: source {name}. Git, dvc.lock and MLflow keep {PARAMETERS}: "
                "give it in fsspec's own settings (~/.config/fsspec or FSSPEC_ variables)."
            )
    broken = [entry for entry in entries if not isinstance(entry, dict) or not FORMS.intersection(entry)]
    if broken:
        raise SourcesError(f"no source: {broken[0]}. Give each of collect.sources one of {', '.join(sorted(FORMS))}.")
    return sources


def recorded_sources(content: Mapping[str, Any], cache: dict[str, list[Any]]) -> dict[str, Any]:
    """The record of the configured sources."""
    remedy = "Look at collect.sources in params.yaml."
    try:
        return record(configured(content), cache)
    except PackageNotFoundError as error:
        raise SourcesError(
            f"package not installed: {error.name}. Take it out of collect.sources or install it."
        ) from error
    except KeyError as error:
        raise SourcesError(f"source without {error}. {remedy}") from error
    except (OSError, TypeError, ValueError, ImportError) as error:
        raise SourcesError(f"cannot list a source: {error}. {remedy}") from error


def known_hashes() -> dict[str, list[Any]]:
    """The hashes of earlier calls; none where there was no call, or one that was cut off."""
    try:
        return json.loads(HASH_CACHE.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def update() -> None:
    """Bring both records up to date with `params.yaml` and what it points at."""
    content, cache = parameters(), known_hashes()
    sources, weights = recorded_sources(content, cache), recorded_weights(content, cache)
    changed = write_if_changed(RECORD, sources)
    write_if_changed(WEIGHTS, weights)
    if cache:
        write_if_changed(HASH_CACHE, cache)
    print(f"{RECORD}: {'written' if changed else 'unchanged'}", file=sys.stderr)


def main() -> None:
    """Update, or say in one line why not."""
    try:
        update()
    except SourcesError as error:
        print(" ".join(f"sources: {error}".split()), file=sys.stderr)
        sys.exit(CONFIGURATION)


if __name__ == "__main__":
    main()

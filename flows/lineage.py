"""The pipeline as `dvc.lock` has it, held against what lies on disk: files, parameters and commands behind a path."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from pathspec import GitIgnoreSpec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.chain import BrokenLinkError, Check, Line, Step, UnknownError
from flows.graph import OUTPUTS, declared, is_within, overlap, read_graph
from stages.hashing import path_hash
from stages.tracking.entries import flatten

LOCK, PIPELINE, IGNORED = Path("dvc.lock"), Path("dvc.yaml"), Path(".dvcignore")
LISTINGS = Path(".dvc/cache/files/md5")
"""Where DVC keeps the list of the files in each folder that it has stored."""
MISSING = "missing"
RUN_RECORD, VERDICT = "run.json", "passed.json"
"""Where stages write down the hashes of their inputs: in each model's folder, and in the verdict of validate."""
SHORT = 20
"""Characters of a parameter that is shown on the terminal."""


@dataclass(frozen=True)
class Stage:
    """A stage of `dvc.lock`: DVC's hashes of what it read and wrote, by path, and what it was run with."""

    name: str
    command: str
    reads: dict[str, str]
    writes: dict[str, str]
    parameters: dict[str, dict[str, Any]]

    @property
    def section(self) -> dict[str, Any]:
        """The section of its name that it was run with."""
        return next((file[self.name] for file in self.parameters.values() if self.name in file), {})

    @property
    def options(self) -> dict[str, str]:
        """The paths in its command, by option."""
        words = self.command.split()
        return {word[2:].replace("-", "_"): value for word, value in pairwise(words) if word.startswith("--")}


def read_yaml(path: Path) -> Any:
    """A YAML file as DVC reads it, with the parser in C where there is one."""
    try:
        return YAML(typ="safe").load(path)
    except YAMLError as error:
        raise BrokenLinkError(Check(str(path), "YAML", "a readable file", " ".join(str(error).split()))) from error


def recorded_stage(name: str, entry: dict[str, Any]) -> Stage:
    """A stage as an entry of `dvc.lock` has it."""
    return Stage(
        name,
        entry["cmd"],
        {item["path"]: item["md5"] for item in entry.get("deps", [])},
        {item["path"]: item["md5"] for item in entry.get("outs", [])},
        entry.get("params", {}),
    )


def read_lock(path: Path = LOCK) -> dict[str, Stage]:
    """The stages that have run, by name."""
    if not path.is_file():
        raise UnknownError(f"{path}: not there, so nothing has run yet. Run the pipeline first.")
    try:
        return {name: recorded_stage(name, entry) for name, entry in read_yaml(path)["stages"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise BrokenLinkError(Check(str(path), "DVC", "stages with cmd, deps and outs", f"{error!r}")) from error


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def ignored_by_dvc() -> GitIgnoreSpec:
    """The paths that DVC is told to ignore."""
    return GitIgnoreSpec.from_lines(IGNORED.read_text().splitlines() if IGNORED.exists() else [])


def folder_listing(folder: Path, ignored: GitIgnoreSpec) -> dict[str, str]:
    """MD5 of every file below `folder`, by relative path, without what DVC is told to ignore."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and not ignored.match_file(file))
    return {file.relative_to(folder).as_posix(): file_md5(file) for file in files}


def folder_md5(listing: dict[str, str]) -> str:
    """DVC's hash of a folder: MD5 of the JSON list of its files, in the order of their paths."""
    entries = [{"md5": listing[path], "relpath": path} for path in sorted(listing)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def path_md5(path: Path, ignored: GitIgnoreSpec) -> str:
    """The hash that DVC would give to a path now."""
    if path.is_dir():
        return folder_md5(folder_listing(path, ignored))
    return file_md5(path) if path.is_file() else MISSING


def stored_listing(recorded: str) -> dict[str, str]:
    """What was in a folder when DVC stored it; empty if the list is not in the cache, or no longer what it was."""
    path = LISTINGS / recorded[:2] / recorded[2:]
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.md5(content).hexdigest() + ".dir" != recorded:
        return {}
    return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}


class Checkout:
    """The checkout that is the working folder; each of its files is hashed once."""

    def __init__(self) -> None:
        ran, self._graph = read_lock(), read_graph(PIPELINE)
        self.stages = {name: ran[name] for name in self._graph.stages if name in ran}
        """The stages that have run, in running order."""
        self.writers = {path: stage for stage in self.stages.values() for path in stage.writes}
        """The stage that writes each output."""
        self._declared = read_yaml(PIPELINE)["stages"]
        self._ignored = ignored_by_dvc()
        self._read_yaml = cache(read_yaml)
        self._sha256 = cache(path_hash)
        self._listing = cache(lambda path: folder_listing(Path(path), self._ignored))
        self._md5 = cache(lambda path: path_md5(Path(path), self._ignored))

    def md5(self, path: str) -> str:
        """The hash that DVC would give to a path now."""
        return self._md5(path)

    def sha256(self, path: Path) -> str:
        """The hash that stages write into their records."""
        return self._sha256(path) if path.exists() else MISSING

    def check(self, stage: Stage, path: str) -> Check:
        """Whether a path is what a stage read or wrote; inside a folder, the first file that is not is named."""
        recorded = (stage.writes | stage.reads)[path]
        found, by = self.md5(path), f"{LOCK} ({stage.name})"
        before = self._recorded_listing(path, recorded) if found not in (recorded, MISSING) else {}
        now = self._listing(path) if before else {}
        for name in sorted(before | now):
            if before.get(name) != now.get(name):
                return Check(path, by, before.get(name, "no such file"), now.get(name, MISSING), f"{path}/{name}")
        return Check(path, by, recorded, found)

    def _recorded_listing(self, path: str, recorded: str) -> dict[str, str]:
        """What was in a folder, from DVC's list of it or of the output that holds it; empty if neither is kept."""
        if listing := stored_listing(recorded):
            return listing
        out = self.output(path)
        inside = PurePosixPath(path).relative_to(out).as_posix() + "/" if out else ""
        outer = stored_listing(self.writers[out].writes[out]) if out else {}
        return {name.removeprefix(inside): md5 for name, md5 in outer.items() if name.startswith(inside)}

    def output(self, path: str) -> str | None:
        """The output that is, or holds, a path."""
        return next((out for out in self.writers if is_within(path, out)), None)

    def written(self, path: str) -> Check:
        """Whether the output that is, or holds, a path is as its stage wrote it."""
        out = self.output(path)
        if out is None:
            raise UnknownError(f"{path}: no stage in {LOCK} has written it, so there are no such records here.")
        return self.check(self.writers[out], out)

    def verified(self, path: str) -> Path:
        """A path that is about to be read; an error if it is not as its stage wrote it."""
        check = self.written(path)
        if not check.holds:
            raise BrokenLinkError(check)
        return Path(path)

    def parameters(self, stage: str) -> dict[str, Any]:
        """The section that a stage was run with."""
        return self.stages[stage].section

    def code(self, stage: Stage) -> Iterator[Check]:
        """Whether the code that a stage ran is the code that is here."""
        return (self.check(stage, path) for path in stage.reads if self.is_code(path))

    def is_code(self, path: str) -> bool:
        """Whether something that a stage read is neither an output nor data."""
        return self.source_of(path) is None and not is_within(path, "data")

    def source_of(self, path: str) -> Stage | None:
        """The stage that wrote what another read."""
        return next((stage for out, stage in self.writers.items() if overlap(out, path)), None)

    def settings(self, stage: Stage) -> Iterator[Check]:
        """Whether a stage has all on record that `dvc.yaml` declares, and would be run in the same way again."""
        entry, by = self._declared[stage.name], f"{LOCK} ({stage.name})"
        yield Check(f"{PIPELINE}: command of {stage.name}", by, stage.command, entry["cmd"])
        names = [name for sections in stage.parameters.values() for name in sections]
        missing = {*declared(entry, "params", "deps")} - {*names, *stage.reads}
        for name in (stage.name, *self._graph.upstream[stage.name]):
            missing |= {*declared(self._declared[name], *OUTPUTS)} - self.writers.keys()
        for name in sorted(missing):
            yield Check(f"{LOCK}: {name}", f"{PIPELINE} ({stage.name})", name, MISSING)
        for file, sections in stage.parameters.items():
            current = self._read_yaml(Path(file)) if Path(file).is_file() else {}
            before, now = flatten(sections), flatten({name: current.get(name, MISSING) for name in sections})
            for name in sorted(before | now):
                yield Check(f"{file}: {name}", by, before.get(name, "no such value"), now.get(name, MISSING))

    def noted(self, stage: Stage) -> Iterator[Check]:
        """Whether the SHA-256 hashes that a stage wrote down of its inputs are still theirs."""
        for out in (out for out in stage.writes if self.written(out).holds):
            record = Path(out, RUN_RECORD) if Path(out).is_dir() else Path(out)
            if record.name not in (RUN_RECORD, VERDICT) or not record.is_file():
                continue
            content = json.loads(record.read_text(encoding="utf-8"))
            hashes = {name: text for name, text in content.get("inputs", content).items() if isinstance(text, str)}
            # A copy of another stage's record, which export has, speaks of that stage's inputs.
            for name in sorted(hashes) if hashes.keys() <= stage.options.keys() else ():
                path = stage.options[name]
                yield Check(path, record.as_posix(), hashes[name], self.sha256(Path(path)))

    def behind(self, paths: Iterable[str]) -> list[tuple[Stage, tuple[str, ...]]]:
        """The stages behind some paths, the last to run first, each with those of its outputs that lead there."""
        wanted = set(paths)
        found = []
        for stage in reversed(self.stages.values()):
            outs = tuple(out for out in stage.writes if any(overlap(out, path) for path in wanted))
            if outs:
                found.append((stage, outs))
                wanted |= stage.reads.keys()
        return found


def relative(path: str) -> str:
    """A path as `dvc.lock` writes it: relative to the checkout."""
    return PurePosixPath(os.path.relpath(path)).as_posix()


def stage_step(checkout: Checkout, stage: Stage, outs: Iterable[str]) -> Step:
    """What a stage wrote, read and was run with, all checked."""
    lines = [Line("wrote", f"{out}  md5 {stage.writes[out]}", (checkout.check(stage, out),)) for out in outs]
    for path in (path for path in stage.reads if not checkout.is_code(path)):
        source = checkout.source_of(path)
        origin = f"from {source.name}" if source else f"md5 {stage.reads[path]}  from outside the pipeline"
        lines.append(Line("read", f"{path}  {origin}", (checkout.check(stage, path),)))
    if noted := tuple(checkout.noted(stage)):
        lines.append(Line("noted", f"SHA-256 of {len(noted)} inputs, in its own records", noted))
    code, settings = tuple(checkout.code(stage)), tuple(checkout.settings(stage))
    lines.append(Line("code", f"{len(code)} files and folders", code))
    lines.append(Line("with", _on_one_line(stage.parameters), settings, stage.parameters))
    return Step(stage.name, tuple(lines))


def _on_one_line(parameters: dict[str, dict[str, Any]]) -> str:
    """Parameters by name; lists and long text are left to the file."""
    values = {name: value for sections in parameters.values() for name, value in flatten(sections).items()}
    return ", ".join(
        f"{name.partition('.')[2] or name}={value}"
        for name, value in values.items()
        if len(value) <= SHORT and not value.startswith("[")
    )

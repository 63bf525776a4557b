"""A project of two stages, run by hand: what they would have written, and the `dvc.lock` of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PIPELINE = """
stages:
  count:
    cmd: python count --words data/words.txt --output data/count
    deps: [code.py, data/words.txt]
    outs: [data/count/counts]
  train:
    cmd: python train --counts data/count/counts --output data/train
    params: [train]
    deps: [train.py, data/count/counts]
    outs: [data/train/model]
    metrics:
      - data/train/metrics.json: {cache: false}
"""
COUNTS = {"a.txt": "a 2", "b.txt": "b 1"}


def md5(text: str) -> str:
    """MD5 of a text's bytes."""
    return hashlib.md5(text.encode()).hexdigest()


def sha256(text: str) -> str:
    """SHA-256 of a text's bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_files(folder: str, files: dict[str, str]) -> str:
    """Write a folder, and DVC's list of it into the cache; its hash."""
    for name, text in files.items():
        Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
        Path(folder, name).write_text(text)
    listing = "[" + ", ".join(f'{{"md5": "{md5(files[n])}", "relpath": "{n}"}}' for n in sorted(files)) + "]"
    digest = md5(listing) + ".dir"
    stored = Path(".dvc/cache/files/md5", digest[:2], digest[2:])
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text(listing)
    return digest


def entry(path: str, digest: str) -> dict[str, Any]:
    """A file as `dvc.lock` lists it."""
    return {"path": path, "hash": "md5", "md5": digest}


def write_project(noted: str | None = None) -> None:
    """Write the project into the working folder; `noted` is what the model's record says of the counts."""
    for name, text in {"code.py": "pass\n", "train.py": "pass\n", "dvc.yaml": PIPELINE}.items():
        Path(name).write_text(text)
    Path("params.yaml").write_text("train: {rate: 0.5, names: [a, b]}\n")
    Path(".dvcignore").write_text("__pycache__\n")
    Path("data/train").mkdir(parents=True, exist_ok=True)
    Path("data/words.txt").write_text("a a b")
    Path("data/train/metrics.json").write_text("{}")
    counts = write_files("data/count/counts", COUNTS)
    record = {"inputs": {"counts": noted or sha256("".join(f"{n}\0{sha256(t)}\n" for n, t in COUNTS.items()))}}
    model = write_files("data/train/model", {"weights.bin": "0110", "run.json": json.dumps(record)})
    commands = {name: stage["cmd"] for name, stage in YAML(typ="safe").load(PIPELINE)["stages"].items()}
    lock = {
        "count": {
            "cmd": commands["count"],
            "deps": [entry("code.py", md5("pass\n")), entry("data/words.txt", md5("a a b"))],
            "outs": [entry("data/count/counts", counts)],
        },
        "train": {
            "cmd": commands["train"],
            "deps": [entry("data/count/counts", counts), entry("train.py", md5("pass\n"))],
            "params": {"params.yaml": {"train": {"rate": 0.5, "names": ["a", "b"]}}},
            "outs": [entry("data/train/metrics.json", md5("{}")), entry("data/train/model", model)],
        },
    }
    YAML(typ="safe").dump({"schema": "2.0", "stages": lock}, Path("dvc.lock"))


def digest(path: str) -> str:
    """DVC's hash of what lies at a path."""
    if not Path(path).is_dir():
        return hashlib.md5(Path(path).read_bytes()).hexdigest()
    files = {file.relative_to(path).as_posix(): file for file in Path(path).rglob("*") if file.is_file()}
    entries = [{"md5": digest(str(files[name])), "relpath": name} for name in sorted(files)]
    return md5(json.dumps(entries)) + ".dir"


def write_lock(outputs: dict[str, list[str]], reads: dict[str, list[str]], parameters: dict[str, Any]) -> None:
    """Write `dvc.yaml`, `params.yaml` and `dvc.lock` of stages whose files are there, in the order of `outputs`."""
    declared, lock = {}, {}
    for stage, names in outputs.items():
        deps, outs = reads.get(stage, []), [f"data/{stage}/{name}" for name in names]
        options = " ".join(f"--{Path(path).name} {path}" for path in deps)
        section = {"params.yaml": {stage: parameters[stage]}} if stage in parameters else {}
        declared[stage] = {"cmd": f"python -m stages.{stage} {options}".strip(), "deps": deps, "outs": outs}
        lock[stage] = {
            "cmd": declared[stage]["cmd"],
            "deps": [entry(path, digest(path)) for path in deps],
            "params": section,
            "outs": [entry(path, digest(path)) for path in outs],
        }
    yaml = YAML(typ="safe")
    yaml.dump({"stages": declared}, Path("dvc.yaml"))
    yaml.dump({"stages": lock}, Path("dvc.lock"))
    yaml.dump(parameters, Path("params.yaml"))

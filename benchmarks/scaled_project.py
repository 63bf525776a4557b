"""A project folder of its own with a planted corpus, where the real commands of the text stages are run and timed."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from benchmarks.planted_corpus import write_corpus
from stages.hashing import folder_hash
from stages.parameters import read_parameters
from stages.seeding import uniform
from stages.text.gate import write_passed

CHECKOUT = Path(__file__).resolve().parents[1]
LINKED = ("stages", "flows", "environment.py", "dvc.yaml")
STAGES = ("collect", "clean", "deduplicate", "decontaminate", "encode")
SEED = 1
PART_MEGABYTES = 25.0
TEST_SHARE = 0.01
ALL_TOKENS = 10**15

# A process that is started counts the memory of the one that started it as its own peak: so a small one has to.
WAITER = """
import pathlib, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    seconds: float
    peak_mebibytes: float
    """Of the largest process of the command."""


def parameters() -> dict[str, Any]:
    """The checkout's parameters, with the planted corpus as the only source and every token encoded once."""
    found = read_parameters(CHECKOUT / "params.yaml")
    found["collect"]["sources"] = [{"name": "planted", "path": "planted", "licence": "Apache-2.0"}]
    for section in (found["collect"]["gate"], found["encode"]["gate"]):
        section["accepted"] = None
    found["encode"] |= {"train_tokens": ALL_TOKENS, "domain_sources": []}
    found["encode"]["mixture"] = {kind: {"weight": 1, "most_passes": 1} for kind in found["encode"]["mixture"]}
    return found


def run(command: list[str], where: Path) -> Cost:
    """Run a command and wait for it; its failure is ours, with what it printed."""
    environment = {**os.environ, "HEADWATER_TRACKING": "off"}
    peak = where / "peak"
    began = time.monotonic()
    with (where / "output.log").open("wb") as log:
        waiter = [sys.executable, "-S", "-c", WAITER, str(peak), *command]
        ended = subprocess.run(waiter, cwd=where, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise SystemExit(f"{shlex.join(command)} in {where}: {(where / 'output.log').read_text()}")
    return Cost(round(time.monotonic() - began, 2), round(int(peak.read_text()) / 1024, 1))


def code_hash() -> str:
    """A hash of the stages' code and parameters: a figure of other code is no figure of this."""
    digest = hashlib.sha256((CHECKOUT / "params.yaml").read_bytes())
    for path in sorted((CHECKOUT / "stages").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def commands() -> dict[str, list[str]]:
    """The stages' commands, as `dvc.yaml` has them."""
    stages = read_parameters(CHECKOUT / "dvc.yaml")["stages"]
    return {name: [sys.executable, *shlex.split(stages[name]["cmd"])[1:]] for name in STAGES}


@dataclass(frozen=True)
class ScaledProject:
    """A project of so many megabytes of text; what was measured in it stays there, so that a run can be continued."""

    folder: Path
    megabytes: float

    @property
    def corpus(self) -> Path:
        """The planted documents."""
        return self.folder / "planted"

    def data(self, *names: str) -> Path:
        """A path under the project's `data`."""
        return self.folder.joinpath("data", *names)

    def set_up(self, texts: list[str]) -> None:
        """Link code, write parameters, corpus and the listing of sources, unless that is done already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in LINKED:
            link = self.folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(CHECKOUT / name)
        YAML().dump(parameters(), self.folder / "params.yaml")
        if not self.corpus.is_dir():
            unfinished = self.folder / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            write_corpus(unfinished, texts, SEED, self.megabytes, PART_MEGABYTES)
            unfinished.rename(self.corpus)
        self.data().mkdir(exist_ok=True)
        run([sys.executable, "-m", "flows.sources"], self.folder)

    def measure(self) -> Iterator[tuple[str, Cost]]:
        """Each stage's cost; stages that were measured with this code are not run again, unless one before them is."""
        record = self.folder / "measured.json"
        code = code_hash()
        known = json.loads(record.read_text()) if record.is_file() else {}
        done: dict[str, dict[str, float]] = known["costs"] if known.get("code") == code else {}
        for stage in STAGES:
            if stage not in done:
                shutil.rmtree(self.data(stage), ignore_errors=True)  # clean would find its attributes again
                BEFORE.get(stage, lambda project: None)(self)
                done[stage] = asdict(run(commands()[stage], self.folder))
                record.write_text(json.dumps({"code": code, "costs": done}, indent=2) + "\n", encoding="utf-8")
            yield stage, Cost(**done[stage])


def stand_in_for_compose(project: ScaledProject) -> None:
    """What decontaminate needs of compose: a split for each document, the checkout's tasks, no conversation."""
    compose = project.data("compose")
    shutil.rmtree(compose, ignore_errors=True)
    shutil.copytree(CHECKOUT / "data/compose/tasks", compose / "tasks")
    ids = pq.read_table(project.data("deduplicate", "documents"), columns=["id"]).column("id").to_pylist()
    splits = ["test" if uniform(SEED, "split", one) < TEST_SHARE else "train" for one in ids]
    pq.write_table(pa.table({"document_id": ids, "split": splits}), compose / "splits.parquet")
    for name in ("demonstrations", "prompts", "canaries"):
        (compose / f"{name}.jsonl").write_text("")


def stand_in_for_validate(project: ScaledProject) -> None:
    """What encode needs of validate and train_tokenizer: the verdict, and the checkout's tokenizer."""
    project.data("validate").mkdir(exist_ok=True)
    documents = project.data("decontaminate", "documents")
    write_passed(project.data("validate", "passed.json"), {"documents": folder_hash(documents)})
    tokenizer = project.data("train_tokenizer", "tokenizer")
    shutil.rmtree(tokenizer, ignore_errors=True)
    shutil.copytree(CHECKOUT / "data/train_tokenizer/tokenizer", tokenizer)


BEFORE: dict[str, Callable[[ScaledProject], None]] = {
    "decontaminate": stand_in_for_compose,
    "encode": stand_in_for_validate,
}
"""What is written before a stage, in place of the stages that are left out."""

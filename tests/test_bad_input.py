"""Bad input as a user meets it, through real commands: one line that names it, the right code, nothing half-written."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.check import OF_FLOWS
from stages.command import parameters_class
from stages.parameters import problems, read_parameters
from stages.text.contents import LARGEST_FILE
from tests.specimens import judgement
from tests.tables import write_documents

ROOT = Path(__file__).parents[1]
TINY = read_parameters(ROOT / "tests/tiny_params.yaml")
STAGES = [name for name in TINY if name not in OF_FLOWS]
SECRET = 0o000
READ_ONLY = 0o500


@dataclass(frozen=True)
class Ended:
    """How a command ended; its last line on standard error without the stage's name."""

    code: int
    errors: str

    @property
    def message(self) -> str:
        """The one line."""
        return self.errors.strip().splitlines()[-1].partition(": ")[2]


def run(stage: str, parameters: dict[str, Any], paths: dict[str, str], *before: str) -> Ended:
    """Run a stage in the working folder, tracking off, with one section in its parameters; `before` its command."""
    Path("params.yaml").write_text(json.dumps({stage: parameters}))
    options = [part for name, path in paths.items() for part in (f"--{name}", path)]
    return command(stage, *options, "--output", f"data/{stage}", before=before)


def command(module: str, *options: str, before: Sequence[str] = ()) -> Ended:
    """Run a module of `stages` in the working folder, tracking off; `before` its command."""
    environment = os.environ | {"HEADWATER_TRACKING": "off", "PYTHONPATH": str(ROOT)}
    words = [*before, sys.executable, "-m", f"stages.{module}", *options]
    finished = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ("Traceback" in finished.stderr) == (finished.returncode == 1), finished.stderr
    return Ended(finished.returncode, finished.stderr)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- parameters


def leaves(value: Any, place: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Every value of nested parameters, by its place."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: leaf for name, part in pairs for key, leaf in leaves(part, (*place, name)).items()}
    return {place: value}


def changed(value: Any, place: tuple[Any, ...], leaf: Any) -> Any:
    """A copy of nested parameters with another value at one place."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = leaf
    return copy


SIGNED = {"seed", "safety_threshold", "weights"}
"""Parameters that may be negative."""


def refused(stage: str, place: tuple[Any, ...], value: Any) -> bool:
    """Whether a stage refuses its tiny parameters with another value at one place."""
    section = parameters_class(import_module(f"stages.{stage}").run)
    return problems(stage, changed(TINY[stage], place, value), section) != []


def numbers(stage: str) -> list[tuple[Any, ...]]:
    """The places of a stage's numbers."""
    values = leaves(TINY[stage]).items()
    return [place for place, leaf in values if isinstance(leaf, int | float) and not isinstance(leaf, bool)]


@pytest.mark.parametrize("stage", STAGES)
def test_no_number_may_be_out_of_its_range(stage: str) -> None:
    unsigned = [place for place in numbers(stage) if not SIGNED.intersection(place)]
    assert [place for place in unsigned if not refused(stage, place, -1)] == []


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize("stage", STAGES)
def test_no_number_may_be_infinite_or_none_at_all(stage: str, value: str) -> None:
    assert [place for place in numbers(stage) if not refused(stage, place, float(value.replace(".", "")))] == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_whole_number_may_be_more_than_a_machine_holds(stage: str) -> None:
    whole = [place for place in numbers(stage) if isinstance(leaves(TINY[stage])[place], int)]
    assert [place for place in whole if not refused(stage, place, 2**63)] == []


@pytest.mark.parametrize(
    ("stage", "changes", "words"),
    [
        ("collect", {"sources": []}, "collect.sources: Tuple should have at least 1 item"),
        ("clean", {"languages": []}, "clean.languages: Tuple should have at least 1 item"),
        ("compose", {"demonstrations": {"explain_name": 0}}, "compose.demonstrations: Value error, asks for none"),
        ("compose", {"splits": {"validation": 0.5, "test": 0.5}}, "compose.splits: Value error, sums to 1 and must"),
        ("compose", {"held_out_categories": {"validation": 2, "test": 100}}, "held_out_categories.test: Input should"),
        ("train_tokenizer", {"split_pattern": "(["}, "split_pattern: Value error, no regular expression: Onig"),
        ("encode", {"mixture": {"code": {"weight": 1, "most_passes": 0}}}, "encode.mixture: Value error, leaves out"),
        ("evaluate", {"kneser_ney_orders": [1, 5]}, "evaluate.kneser_ney_orders: Value error, needs 3"),
        ("ppo", {"threads": 1025}, "less than or equal to 1024"),
        ("train_reward", {"resampling": {"resamples": 0, "confidence": 95, "seed": 1}}, "resampling.confidence: "),
    ],
)
def test_values_that_make_no_sense_together_are_refused(stage: str, changes: dict[str, Any], words: str) -> None:
    section = parameters_class(import_module(f"stages.{stage}").run)
    assert words in "; ".join(problems(stage, TINY[stage] | changes, section))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no sections: params.yaml. It holds nothing where sections belong"),
        ("deduplicate", "no sections: params.yaml. It holds str where sections belong"),
        ("[deduplicate]", "no sections: params.yaml. It holds list where sections belong"),
        ("deduplicate: {seed: 1, ", "cannot read parameters: params.yaml. Mend the file: "),
        ("deduplicate: {seed: 1, seed: 2}", "cannot read parameters: params.yaml. Mend the file: "),
        ("deduplicate: {seed: caf\xe9}", "cannot read parameters: params.yaml. Mend the file: "),
        ("deduplicate: {seed: 2024-13-01}", "cannot read parameters: params.yaml. Mend the file: month must be"),
        ("clean: {}", "section missing: params.yaml: deduplicate. "),
        ("deduplicate:", "bad parameters: deduplicate: must hold names and values. "),
        ("deduplicate: [1]", "bad parameters: deduplicate: must hold names and values. "),
        ("deduplicate: {seed: .nan}", "bad parameters: deduplicate.seed: Input should be a finite number; "),
    ],
)
def test_a_file_of_parameters_that_holds_none_is_one_line(content: str, words: str) -> None:
    Path("params.yaml").write_bytes(content.encode("latin-1"))
    ended = command("deduplicate", "--documents", "documents", "--output", "data/deduplicate")
    assert ended.code == 2
    assert ended.message.startswith(words)


def check(parameters: dict[str, Any], *stages: str) -> Ended:
    """Check these parameters against this project's pipeline."""
    Path("dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    Path("params.yaml").write_text(json.dumps(parameters))
    return command("check", *stages)


def test_what_is_wrong_in_several_sections_is_named_at_once() -> None:
    bad = TINY | {
        "clean": None,
        "deduplicate": changed(TINY["deduplicate"], ("threshold",), 2),
        "ppo": changed(TINY["ppo"], ("update", "clip_range"), "wide"),
    }
    bad["reprt"] = bad.pop("report")
    ended = check(bad)
    assert ended.code == 2
    assert ended.message == (
        "bad parameters: reprt: no stage has this section; report: section missing; "
        "clean: must hold names and values; deduplicate.threshold: Input should be less than or equal to 1; "
        "ppo.update.clip_range: Input should be a valid number, unable to parse string as a number. Edit params.yaml."
    )


def test_only_the_stages_that_are_named_are_checked_and_good_parameters_pass() -> None:
    bad = TINY | {"clean": None}
    assert check(bad, "deduplicate").code == 0
    assert check(bad, "clean", "deduplicate").code == 2
    assert "no stage of dvc.yaml: duplicate" in check(bad, "duplicate").message
    assert check(TINY).code == 0


def test_all_bad_parameters_are_named_in_one_line() -> None:
    bad = changed(changed(TINY["collect"], ("document_characters",), "many"), ("gate", "max_failed_fraction"), 2)
    bad["license"] = bad.pop("licences")
    ended = run("collect", bad, {"sources": "sources.json"})
    assert ended.code == 2
    for name in ("document_characters", "gate.max_failed_fraction", "license", "licences"):
        assert f"collect.{name}: " in ended.message
    assert ended.message.endswith("Edit params.yaml.")
    assert not Path("data/collect/documents").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"splits": {"validaton": 0.1, "test": 0.2}}, "compose.splits: Value error, needs validation, test"),
        ({"purposes": {"rank": 1.0}}, "compose.purposes: Value error, needs demonstrate, rank"),
        ({"invented_shares": {"nonsense": 0.5, "foreign": 0.3, "kindred": 0.3}}, "sums to 1.1 and must sum to 1"),
    ],
)
def test_shares_go_by_their_names_and_sum_to_one(changes: dict[str, Any], words: str) -> None:
    ended = run("compose", TINY["compose"] | changes, {"documents": "documents", "people": "people.jsonl"})
    assert ended.code == 2
    assert words in ended.message


# --- sources


def collect(folder: Path, **gate: float) -> Ended:
    """Collect the folder `texts`."""
    Path("sources.json").write_text('{"files": {"mine": {}}}')
    source = {"name": "mine", "path": "texts", "licence": "Apache-2.0"}
    limits = TINY["collect"]["gate"] | {"accepted": None, "min_documents": 1, "max_source_fraction": 1.0} | gate
    return run("collect", TINY["collect"] | {"sources": [source], "gate": limits}, {"sources": "sources.json"})


@pytest.fixture
def texts(folder: Path) -> Path:
    """One file that can be read and many that cannot, each for a reason of its own."""
    texts = folder / "texts"
    texts.mkdir()
    (texts / "good.txt").write_text("The river rises in the hills and falls into the sea.")
    (texts / "empty.txt").touch()
    (texts / "binary.txt").write_bytes(b"\x7fELF\x00\x01")
    (texts / "invalid.md").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xd8\xff")
    (texts / "early.txt.gz").write_bytes(gzip.compress(b"Ay " * 1_000)[:-20])
    (texts / "odd.txt").write_bytes("Text".encode("utf-16")[:-1])
    (texts / "cut.parquet").write_bytes(b"PAR1 and no more")
    (texts / "cut.jsonl").write_text('{"text": "One."}\n{"text": "Tw')
    (texts / "half.jsonl").write_text('{"text": "\\ud83d"}')
    (texts / "memory.txt").symlink_to("/proc/self/mem")  # opens, and fails when read from its start
    (texts / os.fsdecode(b"caf\xe9.txt")).write_text("Text.")
    (texts / "huge.txt").touch()
    os.truncate(texts / "huge.txt", LARGEST_FILE + 1)
    return texts


UNREADABLE = {
    "empty.txt": "empty",
    "binary.txt": "binary",
    "invalid.md": "binary, or in no encoding",
    "early.txt": "cannot be unpacked",
    "odd.txt": "not utf-16",
    "cut.parquet": "no column 'text'",
    "cut.jsonl#2": "no field 'text'",
    "half.jsonl#1": "not text",
    "memory.txt": "cannot be opened",
    "caf\\udce9.txt": "its name is not UTF-8",
    "huge.txt": "too large",
}


def skipped() -> dict[str, str]:
    """The reason of each file that collect has left aside."""
    return {one["path"]: one["reason"] for one in json.loads(Path("data/collect/manifest.json").read_text())["skipped"]}


def test_what_cannot_be_read_is_listed_and_the_run_goes_on(texts: Path) -> None:
    assert collect(texts, max_failed_fraction=0.9).code == 0
    found = skipped()
    assert found.keys() == UNREADABLE.keys()
    assert all(found[name].startswith(reason) for name, reason in UNREADABLE.items())
    assert not any(str(texts) in reason for reason in found.values())


def test_over_the_limit_the_gate_fails_and_the_list_is_there(texts: Path) -> None:
    ended = collect(texts, max_failed_fraction=0.1)
    assert ended.code == 3
    assert ended.message.startswith("source gate failed: rule 'few unreadable files'")
    assert skipped().keys() == UNREADABLE.keys()


def test_a_source_with_nothing_in_it_fails_the_gate(folder: Path) -> None:
    (folder / "texts").mkdir()
    (folder / "texts" / "empty.txt").touch()
    ended = collect(folder, max_failed_fraction=1.0)
    assert ended.code == 3
    assert "rule 'enough documents'" in ended.message


def test_no_document_left_says_which_rules_took_them(folder: Path) -> None:
    row = {"source": "mine", "path": "a.txt", "kind": "prose", "licence": "MIT", "text": "Too short."}
    write_documents(folder / "documents", pd.DataFrame([row | {"id": "a"}, row | {"id": "b"}]))
    ended = run("clean", TINY["clean"], {"documents": "documents"})
    assert ended.code == 3
    assert ended.message.startswith("no documents left: clean: 2 by min_words")
    assert Path("data/clean/ledger.parquet").exists()


# --- judgements


BROKEN = {
    "a line that was cut off": ('{"id": "j', "1 broken line: judgements.jsonl:1: Invalid JSON"),
    "an unknown axis": ({"ratings": [{"humour": 3}] * 2}, "ratings.0.helpfulness: Field required"),
    "a rank too few": ({"ranks": [1]}, "judgements.jsonl:1: judgement anna: 1 ranks and 2 ratings of 2 answers"),
    "a hash that does not match": ({"tokenizer_hash": None}, "token ids do not spell the text of response a"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_snapshot_of_judgements_is_refused(tokenizer, tokenizer_folder, case: str) -> None:
    changes, words = BROKEN[case]
    line = changes
    if isinstance(changes, dict):
        rating = dict.fromkeys(("helpfulness", "accuracy", "tone", "safety"), 3)
        record = json.loads(judgement("anna", {"a": "Left.", "b": "Right."}, (1, 2), []).line())
        record |= {"ratings": [rating] * 2} | changes
        line = json.dumps(record | {"tokenizer_hash": record["tokenizer_hash"] or tokenizer.hash})
    Path("judgements.jsonl").write_text(f"{line}\n")
    pd.DataFrame({"id": ["c"], "text": ["Up."]}).to_parquet("responses.parquet")
    Path("prompts.jsonl").touch()
    ended = run(
        "rank",
        TINY["rank"] | {"judges": "people", "fewest_judgements": 1},
        {
            "responses": "responses.parquet",
            "prompts": "prompts.jsonl",
            "tokenizer": str(tokenizer_folder),
            "judgements": "judgements.jsonl",
        },
    )
    assert ended.code == 3
    assert words in ended.message
    assert not Path("data/rank/preferences.jsonl").exists()


# --- the machine


def as_a_user() -> list[str]:
    """A prefix that gives up root's right to pass over permissions; nothing for other users."""
    return [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def clean_paths(folder: Path) -> dict[str, str]:
    """Two documents to clean."""
    row = {"source": "mine", "path": "a.txt", "kind": "prose", "licence": "MIT", "text": "Words. " * 60}
    write_documents(folder / "documents", pd.DataFrame([row | {"id": "a"}, row | {"id": "b"}]))
    return {"documents": "documents"}


def test_an_output_that_may_not_be_written_is_one_line(folder: Path) -> None:
    paths, prefix = clean_paths(folder), as_a_user()
    (folder / "data/clean").mkdir(parents=True)
    (folder / "data/clean").chmod(READ_ONLY)
    ended = run("clean", TINY["clean"], paths, *prefix)
    assert ended.code == 2
    assert ended.message.startswith("not permitted: [Errno 13] Permission denied: 'data/clean/lock'")


def test_an_input_that_may_not_be_read_is_named(folder: Path) -> None:
    paths, prefix = clean_paths(folder), as_a_user()
    (folder / "documents/part-00000.parquet").chmod(SECRET)
    ended = run("clean", TINY["clean"], paths, *prefix)
    assert ended.code == 3
    assert ended.message.startswith("input not readable: documents/part-00000.parquet")


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(folder: Path) -> None:
    row = {"source": "mine", "path": "a.txt", "kind": "prose", "licence": "MIT"}
    rows = [row | {"id": str(n), "text": f"{n} is what {os.urandom(500).hex()} says."} for n in range(200)]
    write_documents(folder / "documents", pd.DataFrame(rows))
    ended = run("deduplicate", TINY["deduplicate"], {"documents": "documents"}, "prlimit", "--fsize=50000")
    assert ended.code == 5
    assert ended.message.startswith("out of memory or disk: ")
    assert json.loads(Path("data/deduplicate/status.json").read_text())["code"] == 5
    assert not list(Path("data/deduplicate").rglob("*.parquet"))
    assert not Path("data/deduplicate/metrics.json").exists()


@pytest.mark.parametrize("rows", [10**9, 10**18])
def test_signatures_that_no_machine_could_hold_are_refused(folder: Path, rows: int) -> None:
    ended = run("deduplicate", TINY["deduplicate"] | {"rows": rows}, clean_paths(folder))
    assert ended.code == 2
    assert "at most 1,024 hash functions" in ended.message


def test_too_little_memory_is_one_line(folder: Path) -> None:
    # A document of many words, and address space for little more than what is loaded before it is read.
    row = {"source": "mine", "path": "a.txt", "kind": "prose", "licence": "MIT", "id": "0", "text": "word " * 4 * 10**7}
    write_documents(folder / "documents", pd.DataFrame([row]))
    ended = run("deduplicate", TINY["deduplicate"], {"documents": "documents"}, "prlimit", "--as=4000000000")
    assert ended.code == 5
    assert ended.message.startswith("out of memory or disk: ")

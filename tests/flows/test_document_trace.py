"""Documents back to their files and on to their fates, in a small corpus that is written down here."""

import json
from pathlib import Path

import pandas as pd
import pytest

from flows import sources, trace
from flows.document_trace import quoted, verdict
from flows.text_trace import pattern
from stages.parameters import read_parameters
from stages.text.demonstrations import ChoiceItem, Demonstration, Message, Prompt
from stages.text.documents import document_id, write_table
from stages.text.ledger import Entry
from stages.text.records import write_records
from stages.text.shards import PIECE_SCHEMA
from tests.flows.projects import sha256, write_lock
from tests.tables import write_documents, write_ledger

RIVER, WEIR, SHORT = "The river   falls\ninto the sea.", "A weir holds the water back.", "Flow.\x1b[2J"
TEXTS = {"river.txt": RIVER, "copy.txt": RIVER, "weir.txt": WEIR, "short.txt": SHORT}
IDS = {path: document_id("notes", path, None, text) for path, text in TEXTS.items()}
CLEANING = read_parameters(Path(__file__).parents[2] / "params.yaml")["clean"]
RIVER_ID = IDS["river.txt"]
OUTPUTS = {
    "collect": ["documents", "manifest.json"],
    "clean": ["documents", "ledger.parquet"],
    "deduplicate": ["ledger.parquet"],
    "compose": ["demonstrations.jsonl", "prompts.jsonl", "tasks", "splits.parquet"],
    "decontaminate": ["demonstrations.jsonl", "ledger.parquet"],
    "encode": ["train", "manifest.json"],
    "pretrain": ["metrics.json"],
    "sample": ["responses.parquet"],
}
READS = {"collect": ["data/sources.json"], "pretrain": ["data/encode/train"]}


def entries(*names: str, **dropped: tuple[str, float, float, str | None]) -> list[Entry]:
    """Ledger rows of documents that are kept, and of those that a rule dropped."""
    kept = [Entry(IDS[name], "notes", "prose", 30, 28, masked=1) for name in names]
    return kept + [
        Entry(IDS[f"{name}.txt"], "notes", "prose", 30, 0, rule, value, limit, kept_id)
        for name, (rule, value, limit, kept_id) in dropped.items()
    ]


def write_corpus() -> None:
    for path, text in TEXTS.items():
        Path("notes").mkdir(exist_ok=True)
        Path("notes", path).write_text(text)
    recorded = sources.record([{"name": "notes", "path": "notes"}], {})
    sources.write_if_changed(Path("data/sources.json"), recorded)
    rows = [
        {"id": IDS[path], "text": text, "source": "notes", "path": path, "kind": "prose", "licence": "CC0-1.0"}
        for path, text in TEXTS.items()
    ]
    write_documents(Path("data/collect/documents"), pd.DataFrame(rows))
    write_documents(Path("data/clean/documents"), pd.DataFrame(rows[:3]))
    read = {"name": "notes", "version": None, "licence": "CC0-1.0", "documents": 4}
    # SHA-256 of the source's entry as JSON, which collect notes.
    entry = json.dumps(recorded["files"]["notes"], sort_keys=True)
    read["hash"] = sha256(entry)
    Path("data/collect/manifest.json").write_text(json.dumps({"sources": [read]}))


def write_stages() -> None:
    river = IDS["river.txt"]
    data = Path("data")
    write_ledger(
        data / "clean/ledger.parquet",
        entries("river.txt", "copy.txt", "weir.txt", short=("min_characters", 9.0, 20.0, None)),
    )
    write_ledger(
        data / "deduplicate/ledger.parquet",
        entries("river.txt", "weir.txt", copy=("exact_duplicate", 1.0, 1.0, river)),
    )
    asked = Message(role="user", content="Where does the river fall?")
    answer = Message(role="assistant", content="Into the sea.")
    shown = {"kind": "explain", "template": "explain.1", "source_ids": (river,)}
    demonstrations = [
        Demonstration(id=name, messages=(asked, answer), author="composed:explain", licence="CC0-1.0", **shown)
        for name in ("d1", "d2")
    ]
    prompt = {"category": "explain", "split": "rank", "expects": "answer", "reference": "", "facts": ()}
    write_records(data / "compose/demonstrations.jsonl", demonstrations)
    prompts = [Prompt(id="p1", messages=(asked,), held_out=False, **prompt, **shown)]
    write_records(data / "compose/prompts.jsonl", prompts)
    item = ChoiceItem(id="i1", task="summary", context="A river", choices=("a", "b"), answer=0, source_ids=(river,))
    write_records(data / "compose/tasks/summary.jsonl", [item])
    splits = pd.DataFrame({"document_id": [river, IDS["weir.txt"]], "split": ["train", "test"]})
    splits.to_parquet(data / "compose/splits.parquet")
    write_records(data / "decontaminate/demonstrations.jsonl", demonstrations[:1])
    dropped = Entry("d2", "composed", "explain", 40, 0, "shared_ngram", 3.0, 1.0)
    write_ledger(
        data / "decontaminate/ledger.parquet",
        [*entries("river.txt", weir=("item_coverage", 0.75, 0.5, None)), dropped],
    )
    piece = {"document_id": river, "source": "notes", "kind": "prose", "start": 0, "length": 5, "offset": 0, "bytes": 9}
    pieces = pd.DataFrame([piece | {"copy": copy, "row": row} for copy, row in ((0, 7), (1, 3))])
    write_table(data / "encode/train/pieces.parquet", pieces, PIECE_SCHEMA)
    (data / "encode/manifest.json").write_text(json.dumps({"folders": {"train": {}}, "passes": {"prose": 2.0}}))
    (data / "pretrain").mkdir()
    (data / "pretrain/metrics.json").write_text('{"passes": 0.5}')
    (data / "sample").mkdir()
    pd.DataFrame({"id": ["r1"], "text": ["The hills."]}).to_parquet(data / "sample/responses.parquet")


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_corpus()
    write_stages()
    write_lock(OUTPUTS, READS, {"collect": {"sources": [{"name": "notes", "path": "notes"}]}, "clean": CLEANING})
    return tmp_path


def facts(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """The lines of a trace that holds, by label."""
    assert trace.run(words) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line[2:17].strip(): line[17:] for line in lines if line.startswith("  ")}


def test_a_kept_document_is_followed_from_its_file_to_its_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    told = facts(capsys, "--document", IDS["river.txt"])
    assert told["source"] == "notes  CC0-1.0  ok"
    assert told["file"] == "river.txt  ok"
    assert told["clean"] == "kept, 28 of 30 characters, 1 spans of personal data masked  ok"
    assert told[""] == f"stands for {IDS['copy.txt']} (exact_duplicate 1.00)"
    assert told["compose"] == "split train  ok"
    assert told["demonstration"].startswith("d2 explain by composed:explain, train; dropped by shared_ngram: 3 against")
    assert told["prompt"] == "p1 explain, split rank: 'Where does the river fall?'  ok"
    assert told["item"] == "i1 summary: 'A river'  ok"
    assert told["encode"] == "data/encode/train: 2 times, in rows 7, 3; read by pretrain (0.5 passes over all)  ok"


@pytest.mark.parametrize(
    ("path", "stage", "fate"),
    [
        ("short.txt", "clean", "dropped by min_characters: 9 against a limit of 20  ok"),
        (
            "copy.txt",
            "deduplicate",
            f"dropped by exact_duplicate: 1 against a limit of 1; kept instead: {RIVER_ID}",
        ),
        ("weir.txt", "decontaminate", "dropped by item_coverage: 0.75 against a limit of 0.5  ok"),
    ],
)
def test_a_dropped_document_ends_where_a_rule_dropped_it(path, stage, fate, capsys) -> None:
    told = facts(capsys, "--document", IDS[path])
    assert told[stage].startswith(fate)
    assert "encode" not in told


def test_a_text_is_found_whatever_its_white_space(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["--text", "river falls into"]) == 0
    shown = capsys.readouterr().out
    assert f"documents      2: {IDS['river.txt']}, {IDS['copy.txt']}" in shown
    assert f"document {IDS['copy.txt']}" in shown.splitlines()


def test_a_text_of_a_demonstration_leads_to_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["--text", "Where does the"]) == 0
    shown = capsys.readouterr().out
    assert "demonstrations 2: d1, d2" in shown
    assert f"document {IDS['river.txt']}" in shown.splitlines()


@pytest.mark.parametrize("words", [("--document", "0000"), ("--text", "not there"), ("--text", "  ")])
def test_what_is_not_there_is_a_bad_argument(words: tuple[str, str]) -> None:
    assert trace.run(words) == trace.CONFIGURATION


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("notes/river.txt", "notes: river.txt: data/sources.json has"),
        ("data/sources.json", "data/sources.json: dvc.lock (collect)"),
        ("data/collect/documents/part-00000.parquet", "data/collect/documents"),
        ("data/clean/ledger.parquet", "data/clean/ledger.parquet: dvc.lock (clean)"),
        ("data/compose/demonstrations.jsonl", "data/compose/demonstrations.jsonl: dvc.lock (compose)"),
        ("data/encode/train/pieces.parquet", "data/encode/train"),
    ],
)
def test_one_flipped_bit_on_the_way_is_named(path: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(path).write_bytes(content)
    assert trace.run(["--document", IDS["river.txt"]]) == trace.DATA
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"does not hold: {named}")


def test_a_document_whose_id_is_not_that_of_its_text_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_parquet("data/collect/documents")
    table.loc[0, "text"] = "Other words."
    write_documents(Path("data/collect/documents"), table)
    write_lock(OUTPUTS, READS, {"collect": {"sources": [{"name": "notes", "path": "notes"}]}, "clean": CLEANING})
    assert trace.run(["--document", IDS["river.txt"]]) == trace.DATA
    assert f"document {IDS['river.txt']}: data/collect/documents has" in capsys.readouterr().err


def test_text_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\\x1b[2J" in facts(capsys, "--document", IDS["short.txt"])["text"]
    assert quoted("a\nb") == "'a\\nb'"


def test_a_verdict_without_a_measurement() -> None:
    row = {"kept": False, "rule": "private_name", "value": None, "threshold": None, "kept_id": None}
    assert verdict(row) == "dropped by private_name"


def test_words_are_no_pattern() -> None:
    assert pattern("a.b  (c\n*") == r"a\.b\s+\(c\s+\*"

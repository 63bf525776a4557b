import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from flows.sources import record
from stages.cluster.engines import ProcessPool
from stages.collect import Params, run
from stages.errors import ExitCode, StageError
from stages.execution.processes import has_ended
from stages.parameters import read_section
from stages.text.documents import parts, read_documents
from tests.projects import ROOT, copy_of_this, hear_requests_to_end

TINY = read_section(Path("tests/tiny_params.yaml"), "collect", Params)


def collect(folder: Path, path: str | Path, part_megabytes: int = 64, **changes) -> Path:
    """Collect the files at `path` alone, with the tiny limits but for `changes` of the gate."""
    source = {"name": "corpus", "path": str(path), "licence": "Apache-2.0"}
    gate = TINY.gate.model_dump() | {"accepted": None, "min_documents": 1, "max_source_fraction": 1.0} | changes
    params = Params.model_validate(
        TINY.model_dump() | {"sources": [source], "gate": gate, "part_megabytes": part_megabytes}
    )
    recorded = folder / "sources.json"
    recorded.write_text(json.dumps(record([source], {})))
    output = folder / "collect"
    run(params=params, sources=recorded, output=output, engine=ProcessPool(2))
    return output


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return collect(tmp_path_factory.mktemp("corpus"), "tests/corpus", max_failed_fraction=0.2)


def manifest(output: Path) -> dict:
    return json.loads((output / "manifest.json").read_text())


def test_every_file_gives_documents_or_a_reason(corpus):
    files = {path.relative_to("tests/corpus").as_posix() for path in Path("tests/corpus").rglob("*") if path.is_file()}
    read = {path.partition("#")[0] for path in read_documents(corpus / "documents")["path"]}
    skipped = {item["path"]: item["reason"] for item in manifest(corpus)["skipped"]}
    assert read | {path for path in skipped if "#" not in path} == files
    assert set(skipped) == {
        "notes/empty.md",
        "notes/picture.txt",
        "records/stories.jsonl#11",
    }
    assert manifest(corpus)["sources"][0]["files_recoded"] == 1
    assert skipped["notes/picture.txt"] == "binary: it holds null bytes"


def test_documents_carry_origin_kind_and_licence(corpus):
    documents = read_documents(corpus / "documents")
    assert set(documents["kind"]) == {"prose", "reference", "code", "web"}
    assert set(documents["licence"]) == {"Apache-2.0"}
    assert documents["id"].is_unique
    full_moon = documents.set_index("name").loc["code.almanac.next_full_moon"]
    assert full_moon["version"] == "1.1"
    assert full_moon["text"].startswith("code.almanac.next_full_moon(day)\n\nReturn the first day")


def test_the_manifest_counts_what_was_written(corpus):
    (source,) = manifest(corpus)["sources"]
    documents = read_documents(corpus / "documents")
    assert source["documents"] == len(documents) == sum(source["kinds"].values())
    assert source["characters"] == documents["text"].str.len().sum()
    assert source["files_failed"] == len(manifest(corpus)["skipped"])
    assert manifest(corpus)["gate"]["failed"] == 0


def test_equal_sources_give_equal_bytes(corpus, tmp_path):
    again = collect(tmp_path, "tests/corpus", max_failed_fraction=0.2)
    for name in ("documents/part-00000.parquet", "manifest.json"):
        assert (corpus / name).read_bytes() == (again / name).read_bytes()


def test_many_processes_and_parts_keep_the_order_of_files_and_leave_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.text.portions.PORTION_FILES", 5)
    (tmp_path / "texts").mkdir()
    for number in range(24):
        (tmp_path / "texts" / f"{number:02}.txt").write_text(f"{number} is the number. " * 8_000)
    output = collect(tmp_path, tmp_path / "texts", part_megabytes=1)
    documents = read_documents(output / "documents")
    assert documents["path"].tolist() == [f"{number:02}.txt" for number in range(24)]
    sizes = [read["text"].str.len().sum() for read in map(pd.read_parquet, parts(output / "documents"))]
    assert len(sizes) > 2
    assert all(size <= 1_000_000 for size in sizes)
    assert sorted(path.name for path in output.iterdir()) == ["documents", "manifest.json"]


def test_two_sources_may_read_the_same_files(tmp_path):
    (tmp_path / "a.txt").write_text("The same text twice.")
    sources = [{"name": name, "path": str(tmp_path), "licence": "Apache-2.0"} for name in ("one", "two")]
    gate = TINY.gate.model_dump() | {
        "accepted": None,
        "min_documents": 1,
        "max_source_fraction": 1.0,
        "max_failed_fraction": 1.0,
    }
    params = Params.model_validate(TINY.model_dump() | {"sources": sources, "gate": gate})
    recorded = tmp_path / "sources.json"
    recorded.write_text(json.dumps(record(sources, {})))
    run(params=params, sources=recorded, output=tmp_path / "collect", engine=ProcessPool(2))
    assert read_documents(tmp_path / "collect" / "documents")["id"].is_unique
    verdict = manifest(tmp_path / "collect")["gate"]
    assert [rule["rule"] for rule in verdict["rules"] if not rule["success"]] == ["distinct texts"]


def test_thousands_of_empty_files_are_each_listed(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "good.txt").write_text("Good.")
    for number in range(3_000):
        (tmp_path / "texts" / f"{number}.txt").touch()
    output = collect(tmp_path, tmp_path / "texts", max_failed_fraction=1.0)
    assert {item["reason"] for item in manifest(output)["skipped"]} == {"empty"}
    assert len(manifest(output)["skipped"]) == 3_000


def test_too_many_unreadable_files_fail_the_gate_and_stay_listed(tmp_path):
    with pytest.raises(StageError, match="few unreadable files") as caught:
        collect(tmp_path, "tests/corpus", max_failed_fraction=0.01)
    assert caught.value.code == ExitCode.DATA
    assert len(manifest(tmp_path / "collect")["skipped"]) == 3


def test_a_changed_list_of_sources_asks_for_a_new_record(tmp_path):
    recorded = tmp_path / "sources.json"
    recorded.write_text('{"packages": {}, "files": {}, "urls": {}}')
    with pytest.raises(StageError, match="source not recorded: click"):
        run(params=TINY, sources=recorded, output=tmp_path, engine=ProcessPool(2))


@pytest.mark.parametrize("seconds", [0, 3])
def test_ctrl_c_ends_all_readers_with_one_line(tmp_path, seconds):
    project = copy_of_this(tmp_path / "checkout")
    shutil.copyfile(ROOT / "params.yaml", project.folder / "params.yaml")  # twenty packages take a while
    assert project.run("python", "-m", "flows.sources")[0] == 0
    options = ["--sources", "data/sources.json", "--output", "data/collect"]
    collecting = subprocess.Popen(
        ["python", "-m", "stages.collect", *options],
        cwd=project.folder,
        env=project.environment(HEADWATER_TRACKING="off"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=hear_requests_to_end,
    )
    process = psutil.Process(collecting.pid)
    deadline = time.monotonic() + 60
    while not (readers := process.children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(collecting.pid, signal.SIGINT)
    output, _ = collecting.communicate(timeout=60)
    assert output == "collect: interrupted. Run it again: it goes on from what it has saved.\n"
    assert collecting.returncode == 130
    deadline = time.monotonic() + 10
    while not (ended := all(map(has_ended, readers))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ended

"""Sources held against what is installed: a package whose RECORD is written by hand."""

import base64
import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from flows import sources, trace
from tests.flows.projects import sha256, write_lock
from tests.tables import write_documents

FILES = {
    "waterwheel/mill.py": '"""Grinds."""\n',
    "waterwheel-1.2.dist-info/METADATA": "Name: waterwheel\nVersion: 1.2\n",
}
OUTPUTS = {"collect": ["documents", "manifest.json"]}


def recorded(text: str) -> str:
    """SHA-256 as a wheel's RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    for name, text in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    rows = [f"{name},sha256={recorded(text)},{len(text)}" for name, text in FILES.items()]
    (site / "waterwheel-1.2.dist-info/RECORD").write_text("\n".join(rows) + "\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    found = sources.record([{"packages": ["waterwheel"]}], {})
    sources.write_if_changed(Path("data/sources.json"), found)
    row = {"id": "d", "text": "Grinds.", "source": "waterwheel", "kind": "reference", "licence": "MIT"}
    paths = ["METADATA", "waterwheel/mill.py"]
    write_documents(Path("data/collect/documents"), pd.DataFrame([row | {"path": path} for path in paths]))
    entry = json.dumps(found["packages"]["waterwheel"], sort_keys=True)
    read = {"name": "waterwheel", "version": "1.2", "licence": "MIT", "documents": 2, "hash": sha256(entry)}
    Path("data/collect/manifest.json").write_text(json.dumps({"sources": [read]}))
    write_lock(OUTPUTS, {"collect": ["data/sources.json"]}, {})
    return site


def test_a_package_is_named_with_its_version_licence_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["data/collect/documents"]) == 0
    assert "waterwheel 1.2  MIT  2 documents, 2 files re-hashed  ok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("waterwheel/mill.py", "waterwheel: waterwheel/mill.py: RECORD of waterwheel has"),
        ("waterwheel-1.2.dist-info/METADATA", "waterwheel: METADATA: RECORD of waterwheel has"),
        ("waterwheel-1.2.dist-info/RECORD", "RECORD of package waterwheel: data/sources.json has"),
    ],
)
def test_one_flipped_bit_in_an_installed_file_is_found(file: str, named: str, project: Path, capsys) -> None:
    content = bytearray((project / file).read_bytes())
    content[len(content) // 2] ^= 1
    (project / file).write_bytes(content)
    assert trace.run(["data/collect/documents"]) == trace.DATA
    assert capsys.readouterr().err.startswith(f"does not hold: {named}")


def test_another_version_and_a_package_that_is_gone_are_found(project: Path, capsys) -> None:
    metadata = project / "waterwheel-1.2.dist-info/METADATA"
    metadata.write_text("Name: waterwheel\nVersion: 1.3\n")
    assert trace.run(["data/collect/documents"]) == trace.DATA
    assert "version of package waterwheel: data/sources.json has 1.2, found 1.3" in capsys.readouterr().err
    (project / "waterwheel-1.2.dist-info").rename(project / "gone")
    assert trace.run(["data/collect/documents"]) == trace.DATA
    assert "has 1.2, found not installed" in capsys.readouterr().err


def test_published_weights_are_named_and_a_changed_byte_in_them_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("theirs/config.json", "theirs/model.safetensors", "data/pretrain/model"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path("params.yaml").write_text("pretrain: {init_from: {path: theirs}}")
    sources.write_if_changed(Path("data/weights.json"), sources.recorded_weights(sources.parameters(), {}))
    section = {"init_from": {"path": "theirs"}}
    write_lock({"pretrain": ["model"]}, {"pretrain": ["data/weights.json"]}, {"pretrain": section})
    assert trace.run(["data/pretrain/model"]) == 0
    assert "published      theirs  ok" in capsys.readouterr().out
    Path("theirs/model.safetensors").write_text("theirs/model.safetensorz")
    assert trace.run(["data/pretrain/model"]) == 3
    assert "theirs/model.safetensors" in capsys.readouterr().out.splitlines()[-1]

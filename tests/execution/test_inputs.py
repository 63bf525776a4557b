"""What a stage depends on, and whether it changed."""

import os
from pathlib import Path

import pytest

from stages.errors import StageError
from stages.execution.inputs import declared, files_below, fingerprint, require_unchanged, snapshot


def test_declared_paths_are_those_of_the_stage_alone(tmp_path: Path) -> None:
    pipeline = tmp_path / "dvc.yaml"
    pipeline.write_text(
        "stages:\n  one: {cmd: x, deps: [a, b/c]}\n  two: {cmd: y, outs: [d], metrics: [e: {cache: false}]}\n"
    )
    assert declared("one", pipeline, "deps") == [Path("a"), Path("b/c")]
    assert declared("two", pipeline, "deps", "outs", "metrics") == [Path("d"), Path("e")]
    assert declared("three", pipeline, "deps") == []
    assert declared("one", tmp_path / "absent.yaml", "deps") == []


def test_what_python_compiles_on_import_is_no_dependency(tmp_path: Path) -> None:
    for name in ("code.py", "__pycache__/code.pyc", "deeper/more.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files_below(tmp_path) == [tmp_path / "code.py", tmp_path / "deeper/more.py"]


@pytest.mark.parametrize("change", ["edit", "touch", "replace", "add", "remove"])
def test_every_kind_of_change_is_noticed(tmp_path: Path, change: str) -> None:
    file = tmp_path / "folder" / "input.txt"
    file.parent.mkdir()
    file.write_text("old")
    before = snapshot([file.parent])
    if change == "edit":
        file.write_text("newer")
    elif change == "touch":
        os.utime(file, (1, 1))
    elif change == "replace":
        status = file.stat()
        other = tmp_path / "other"
        other.write_text("new")
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(file)
    elif change == "add":
        (file.parent / "another").touch()
    else:
        file.unlink()
    with pytest.raises(StageError, match="changed while running"):
        require_unchanged(before, snapshot([file.parent]))


def test_reading_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "input.txt"
    file.write_text("old")
    before = snapshot([file])
    file.read_text()
    require_unchanged(before, snapshot([file]))


def test_fingerprint_depends_on_parameters_and_content_but_not_on_time(tmp_path: Path) -> None:
    file = tmp_path / "input.txt"
    file.write_text("old")
    first = fingerprint({"a": 1, "b": 2}, [file])
    os.utime(file, (1, 1))
    assert fingerprint({"b": 2, "a": 1}, [file, file]) == first
    assert fingerprint({"a": 1, "b": 3}, [file]) != first
    file.write_text("new")
    assert fingerprint({"a": 1, "b": 2}, [file]) != first

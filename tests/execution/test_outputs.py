"""Outputs are whole under their final names, or not there."""

from pathlib import Path

import pytest

from stages.errors import ExitCode, StageError
from stages.execution.outputs import whole_outputs


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A stage's folder with the outputs of an earlier run."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "part-0").write_text("old")
    (tmp_path / "verdict").write_text("old")
    (tmp_path / "lock").write_text("held")
    return tmp_path


def declared(output: Path) -> list[Path]:
    return [output / "documents", output / "verdict", Path("elsewhere")]


def content(output: Path) -> dict[str, str]:
    """Every file of a stage's folder."""
    files = sorted(path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.read_text() for path in files}


def write(folder: Path) -> None:
    (folder / "documents").mkdir()
    (folder / "documents" / "part-1").write_text("new")


def fail(output: Path, failure: BaseException) -> None:
    """Write, and end with a failure."""
    with whole_outputs(output, declared(output)) as folder:
        write(folder)
        raise failure


def test_new_outputs_take_the_place_of_old_ones(output: Path) -> None:
    with whole_outputs(output, declared(output)) as folder:
        write(folder)
        assert content(output)["documents/part-0"] == "old"
    assert content(output) == {"documents/part-1": "new", "lock": "held"}


def test_a_gate_that_fails_leaves_what_it_found_and_no_old_verdict(output: Path) -> None:
    with pytest.raises(StageError):
        fail(output, StageError(ExitCode.DATA, "gate failed", "here", "Look."))
    assert content(output) == {"documents/part-1": "new", "lock": "held"}


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("a bug")])
def test_any_other_failure_leaves_everything_as_it_was(output: Path, failure: BaseException) -> None:
    before = content(output)
    with pytest.raises(type(failure)):
        fail(output, failure)
    assert content(output) == before


def test_what_a_killed_run_left_is_removed(output: Path) -> None:
    (output / "unfinished").mkdir()
    (output / "unfinished" / "half").touch()
    with whole_outputs(output, declared(output)) as folder:
        assert list(folder.iterdir()) == []
    assert "half" not in content(output)


def test_a_link_is_replaced_and_what_it_points_at_stays(output: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = tmp_path_factory.mktemp("cache")
    (kept / "a").touch()
    (output / "documents" / "part-0").unlink()
    (output / "documents").rmdir()
    (output / "documents").symlink_to(kept)
    with whole_outputs(output, declared(output)) as folder:
        write(folder)
    assert not (output / "documents").is_symlink()
    assert (kept / "a").exists()

"""A stage as a command: options, parameters, what it leaves behind, and the exit code of each kind of failure."""

import json
import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from stages.command import describe, parser, path_arguments, perform
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section

ROOT = Path(__file__).parents[1]

STAGE = '''
"""Count the words of a text."""

import os, sys
from pathlib import Path

sys.path.insert(0, {root!r})
from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section


class Params(Section):
    seed: int
    """Any whole number."""
    do: str
    """What to do."""


def run(params: Params, text: Path, output: Path, checkpoints: Path) -> Metrics:
    """Count words."""
    (output / "words.txt").write_text(str(len(text.read_text().split())))
    print("found", *[path.name for path in checkpoints.iterdir()], file=sys.stderr)
    (checkpoints / "weights").write_text("1")
    if params.do == "refuse":
        raise StageError(ExitCode.DATA, "too few words", str(text), "Write more.")
    if params.do == "wait":
        raise StageError(ExitCode.WAITING_FOR_PEOPLE, "no judgements", "data/people", "Rank some.")
    if params.do == "fill the disk":
        Path("/dev/full").write_text("words")
    if params.do == "fill memory":
        bytearray(1 << 60)
    if params.do == "be interrupted":
        os.kill(os.getpid(), 15)
    if params.do == "break":
        raise ZeroDivisionError("a bug")
    if params.do == "leave early":
        sys.exit(0)
    if params.do == "see its input change":
        text.write_text("other words")
    if params.do == "see its parameters change":
        Path("params.yaml").write_text("count: {{seed: 2, do: see its parameters change}}")
    return {{"words": 3}}


if __name__ == "__main__":
    command("count", run)
'''


class Shape(Section):
    width: int
    """Features of a token's vector."""


class Params(Section):
    seed: int
    """Any whole number."""
    shape: Shape
    """The network."""


def run(params: Params, first_input: Path, output: Path, checkpoints: Path, logger: object) -> Metrics:
    """Do it."""
    return {}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one stage and its input."""
    (tmp_path / "count.py").write_text(STAGE.format(root=str(ROOT)))
    (tmp_path / "text.txt").write_text("one two three")
    return tmp_path


def call(project: Path, do: str = "work", *options: str) -> subprocess.CompletedProcess[str]:
    """Run the stage with tracking off."""
    (project / "params.yaml").write_text(f"count: {{seed: 1, do: {do}}}")
    return subprocess.run(
        [sys.executable, "count.py", "--text", "text.txt", "--output", "data/count", *options],
        cwd=project,
        env=os.environ | {"HEADWATER_TRACKING": "off"},
        capture_output=True,
        text=True,
        check=False,
    )


def read(project: Path, name: str) -> dict[str, object]:
    return json.loads((project / "data/count" / name).read_text())


def test_every_path_argument_is_an_option_and_nothing_else_is() -> None:
    assert path_arguments(run) == ["first_input", "output"]
    options = parser("example", run).parse_args(["--first-input", "a", "--output", "b"])
    assert vars(options) == {"first_input": Path("a"), "output": Path("b"), "resume_from": None}


def test_help_describes_nested_parameters_by_their_docstrings() -> None:
    assert describe(Params) == [
        "  seed: Any whole number.",
        "  shape: The network.",
        "  shape.width: Features of a token's vector.",
    ]
    assert "shape.width" in parser("example", run).format_help()


def test_success_leaves_metrics_timings_and_status(project: Path) -> None:
    assert call(project).returncode == 0
    assert read(project, "metrics.json") == {"words": 3}
    assert read(project, "status.json") == {"code": 0, "message": "", "state": "ran"}
    timings = read(project, "timings.json")
    assert timings.keys() == {"began", "peak_memory_mebibytes", "start_seconds", "work_seconds"}


def test_a_clock_that_is_set_back_gives_no_negative_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWATER_TRACKING", "off")
    Path("params.yaml").write_text("example: {seed: 1, shape: {width: 2}}")
    Path("input").touch()
    clock = count(time.time(), -3600)
    monkeypatch.setattr("stages.command.time.time", lambda: next(clock))
    assert perform("example", run, {"first_input": Path("input"), "output": Path("out")}, None).code == 0
    assert 0 <= json.loads(Path("out/timings.json").read_text())["work_seconds"] < 60


@pytest.mark.parametrize(
    ("do", "code", "state", "words"),
    [
        ("refuse", 3, "failed", "too few words: text.txt. Write more."),
        ("wait", 4, "waiting", "no judgements: data/people. Rank some."),
        ("fill the disk", 5, "failed", "No space left on device"),
        ("fill memory", 5, "failed", "out of memory or disk: MemoryError"),
        ("be interrupted", 130, "interrupted", "interrupted"),
        ("break", 1, "failed", "ZeroDivisionError: a bug"),
        ("leave early", 1, "failed", "SystemExit: 0"),
        ("see its input change", 3, "failed", "changed while running: text.txt"),
        ("see its parameters change", 3, "failed", "changed while running: params.yaml"),
    ],
)
def test_each_kind_of_failure_has_its_code_and_one_line(
    project: Path, do: str, code: int, state: str, words: str
) -> None:
    finished = call(project, do)
    assert finished.returncode == code
    status = read(project, "status.json")
    assert (status["code"], status["state"]) == (code, state)
    assert words in str(status["message"])
    assert finished.stderr.strip().splitlines()[-1] == f"count: {status['message']}"
    assert ("Traceback" in finished.stderr) == (code == 1)
    assert not (project / "data/count/metrics.json").exists()


def test_all_bad_parameters_are_named_before_any_work(project: Path) -> None:
    finished = call(project, "work, seeed: 2, more: 3")
    assert finished.returncode == 2
    assert "count.seeed" in finished.stderr
    assert "count.more" in finished.stderr
    assert not (project / "data/count/words.txt").exists()


def test_a_missing_input_is_named(project: Path) -> None:
    (project / "text.txt").unlink()
    finished = call(project)
    assert finished.returncode == 3
    assert "input missing: text.txt" in finished.stderr


def test_an_old_status_does_not_outlive_the_start(project: Path) -> None:
    call(project)
    assert call(project, "refuse").returncode == 3
    assert read(project, "status.json")["state"] == "failed"


def test_checkpoints_of_other_parameters_are_left_unread_and_removed_on_success(project: Path) -> None:
    call(project, "refuse")
    finished = call(project, "work")
    assert "a fresh start" in finished.stderr
    assert "found weights" not in finished.stderr
    assert not (project / "data/count/checkpoints").exists()


def test_after_success_a_forced_run_works_again_and_does_not_resume(project: Path) -> None:
    call(project, "refuse")
    call(project, "work")
    assert "found weights" not in call(project, "work").stderr


def test_attributes_stay_from_run_to_run_and_are_no_option(project: Path) -> None:
    (project / "count.py").write_text(STAGE.format(root=str(ROOT)).replace("checkpoints", "attributes"))
    (project / "data/count/attributes").mkdir(parents=True)
    assert "found weights" not in call(project).stderr
    assert "found weights" in call(project).stderr
    assert "attributes" not in call(project, "work", "--help").stdout


def test_the_same_inputs_and_parameters_find_their_checkpoints_again(project: Path) -> None:
    call(project, "refuse")
    (first,) = (project / "data/count/checkpoints").iterdir()
    again = call(project, "refuse").stderr
    assert "a fresh start" not in again
    assert "found weights" in again
    assert [path.name for path in (project / "data/count/checkpoints").iterdir()] == [first.name]


@pytest.fixture
def kept(project: Path) -> Path:
    """A checkpoint folder of the call that refuses, moved elsewhere."""
    call(project, "refuse")
    (folder,) = (project / "data/count/checkpoints").iterdir()
    return folder.rename(project / folder.name)


def test_a_checkpoint_that_the_user_names_is_continued(project: Path, kept: Path) -> None:
    assert "found weights" in call(project, "refuse", "--resume-from", kept.name).stderr
    assert (kept / "weights").exists()


def test_a_named_checkpoint_of_other_parameters_is_refused(project: Path, kept: Path) -> None:
    finished = call(project, "work", "--resume-from", kept.name)
    assert finished.returncode == 2
    assert f"no checkpoint folder of these parameters, inputs and code: {kept.name}" in finished.stderr
    assert call(project, "refuse", "--resume-from", "nowhere").returncode == 2


def test_error_text_holds_what_where_and_remedy() -> None:
    error = StageError(ExitCode.DATA, "what failed", "where", "Do this.")
    assert str(error) == "what failed: where. Do this."

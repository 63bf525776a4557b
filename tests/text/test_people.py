from pathlib import Path

import pytest

from stages.errors import ExitCode, StageError
from stages.text.people import read_demonstrations
from tests.specimens import demonstration


def test_a_snapshot_gives_its_records(tmp_path: Path):
    written = [demonstration("a"), demonstration("b")]
    (tmp_path / "d.jsonl").write_text("".join(one.line() + "\n" for one in written))
    assert read_demonstrations(tmp_path / "d.jsonl") == written


def test_a_demonstration_without_an_answer_is_refused(tmp_path: Path):
    question = demonstration("a").model_copy(update={"messages": demonstration("a").messages[:1]})
    (tmp_path / "d.jsonl").write_text(question.line() + "\n")
    with pytest.raises(StageError, match=r"d\.jsonl:1: it does not end with an assistant's turn") as caught:
        read_demonstrations(tmp_path / "d.jsonl")
    assert caught.value.code == ExitCode.DATA

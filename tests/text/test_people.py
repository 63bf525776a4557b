from pathlib import Path

import pytest

from stages.errors import ExitCode, StageError
from stages.text.demonstrations import Demonstration
from stages.text.people import read_snapshot
from tests.specimens import demonstration


def test_a_snapshot_gives_its_records(tmp_path: Path):
    written = [demonstration("a"), demonstration("b")]
    (tmp_path / "d.jsonl").write_text("".join(one.line() + "\n" for one in written))
    assert read_snapshot(tmp_path / "d.jsonl", Demonstration) == written


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b'{"id": "cut o', "2: : Invalid JSON"),
        (b"", "2: : Invalid JSON"),
        (b"caf\xe9", "2: invalid continuation byte"),
        (b"{}", "2: id: Field required"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, where: str):
    path = tmp_path / "d.jsonl"
    path.write_bytes(demonstration("a").line().encode() + b"\n" + line + b"\n")
    with pytest.raises(StageError) as caught:
        read_snapshot(path, Demonstration)
    assert caught.value.code == ExitCode.DATA
    assert f"{path}:{where}" in str(caught.value)

"""JSONL as it is found: every broken line is named, and what is written is read again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.errors import ExitCode, StageError
from stages.text.records import Record, read_records, write_records


class Note(Record):
    """A note."""

    text: str
    stars: int


GOOD = b'{"text": "caf\xc3\xa9 \xe2\x80\xa8 au lait", "stars": 3}'


def faults(note: Note) -> Iterator[str]:
    if note.stars > 5:
        yield f"{note.stars} stars of 5"


def refusal(path: Path, *lines: bytes) -> str:
    """What is said of a file of these lines."""
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(StageError) as caught:
        read_records(path, Note, faults)
    assert caught.value.code == ExitCode.DATA
    return str(caught.value).replace(str(path), "n")


def test_what_is_written_is_read_again_whatever_ends_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(GOOD + b"\r\n" + GOOD)
    notes = read_records(path, Note, faults)
    assert [note.stars for note in notes] == [3, 3]
    write_records(path, notes)
    assert read_records(path, Note, faults) == notes


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"text": "cut o', "n:2: Invalid JSON: EOF while parsing"),
        (b"", "n:2: Invalid JSON: EOF while parsing"),
        (b'{"text": "caf\xe9", "stars": 1}', "n:2: Invalid JSON: invalid unicode code point"),
        (b"<<<<<<< HEAD", "n:2: Invalid JSON: expected value"),
        (b"{}", "n:2: text: Field required, stars: Field required. "),
        (b'{"text": "a", "stars": 6}', "n:2: 6 stars of 5. "),
    ],
)
def test_a_broken_line_is_named_with_all_that_is_wrong(tmp_path: Path, line: bytes, words: str) -> None:
    said = refusal(tmp_path / "n.jsonl", GOOD, line, GOOD)
    assert said.startswith(f"1 broken line: {words}")
    assert said.endswith("Mend or remove them; each is to be a Note.")


def test_broken_lines_are_counted_and_the_first_ten_named(tmp_path: Path) -> None:
    said = refusal(tmp_path / "n.jsonl", GOOD, *[b"{}", b'{"text": "a", "stars": 6}'] * 6)
    assert said.startswith("12 broken lines: n:2: text: ")
    assert "; n:3: 6 stars of 5; " in said
    assert "n:11: " in said
    assert "n:12: " not in said
    assert "; and 2 more. " in said

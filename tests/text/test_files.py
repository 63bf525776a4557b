import json
import os
import random
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text import contents, files, rows
from stages.text.contents import LARGEST_FILE, file_content
from stages.text.files import markdown_text, pieces, read_file
from stages.text.reading import RawDocument, Reading, UnreadableError


@dataclass
class Read(Reading):
    documents: list[RawDocument] = field(default_factory=list)


def read(path: str, content: bytes, most_characters: int = 1_000) -> Read:
    reading = Read("mine", None, "MIT")
    chunks = (content[:5], content[5:])
    reading.documents += read_file(path, lambda: iter(chunks), "text", reading, most_characters, 10.0)
    return reading


def texts(reading: Read) -> list[tuple[str, str, str]]:
    return [(document.path, document.kind, document.text) for document in reading.documents]


def test_a_file_that_cannot_be_opened_says_why_and_names_no_path(tmp_path):
    with pytest.raises(UnreadableError, match=r"^cannot be opened: Is a directory$"):
        file_content(tmp_path)


def test_a_huge_file_is_not_read(tmp_path):
    huge = tmp_path / "huge.txt"
    huge.touch()
    os.truncate(huge, LARGEST_FILE + 1)
    with pytest.raises(UnreadableError, match="too large"):
        file_content(huge)


def test_an_unreadable_file_is_listed_and_does_not_raise():
    reading = read("a/b.txt", b"\x00")
    assert [(item.path, item.reason) for item in reading.skipped] == [("a/b.txt", "binary: it holds null bytes")]
    assert (reading.files_read, reading.documents) == (0, [])


def test_pieces_are_cut_between_paragraphs_and_lose_nothing():
    text = "\n\n".join(f"paragraph {number} " + "x" * 30 for number in range(20))
    found = list(pieces(text, 100))
    assert all(len(piece) <= 100 for piece in found)
    assert "\n\n".join(found) == text


def test_an_indented_line_after_a_blank_one_is_not_a_cut():
    text = "def f():\n    a = 1\n\n    return a\n\n\ndef g():\n    pass"
    assert list(pieces(text, 10)) == ["def f():\n    a = 1\n\n    return a", "def g():\n    pass"]


def test_a_paragraph_longer_than_a_piece_stays_whole():
    assert list(pieces("x" * 50 + "\n\ny", 10)) == ["x" * 50, "y"]


def test_a_repeated_stretch_comes_once():
    assert list(pieces("same\n\nsame\n\nother", 5)) == ["same", "other"]


def test_markdown_keeps_what_a_reader_sees():
    text = "[![badge](b.svg)](https://x) See [the guide](https://y 'title').<!-- note -->"
    assert markdown_text(text) == " See the guide."


def test_prose_files_are_documents_of_their_path():
    assert texts(read("notes/a.rst", b"Hello\n")) == [("notes/a.rst", "prose", "Hello")]
    assert texts(read("a.MD", b"[Hello](b)")) == [("a.MD", "prose", "Hello")]


def test_html_gives_its_main_text():
    page = b"<html><nav><a href=/>Home</a></nav><main><p>The <b>tower</b> stands.</p></main><script>x()</script></html>"
    assert texts(read("p.html", page)) == [("p.html", "web", "The tower stands.")]


def test_python_gives_docstrings_and_code():
    reading = read("pkg/m.py", b'def f(x):\n    """Return x."""\n    return x\n')
    assert texts(reading) == [
        ("pkg/m.py", "reference", "pkg.m.f(x)\n\nReturn x."),
        ("pkg/m.py", "code", "def f(x):\n    return x"),
    ]
    assert reading.documents[0].name == "pkg.m.f"


def test_broken_python_is_listed():
    for content in (b"def f(:\n", b"x = " + b"-" * 20_000 + b"1"):
        assert read("m.py", content).skipped[0].reason.startswith("not Python")


def test_lines_of_json_are_documents_of_their_line_and_bad_lines_are_listed():
    lines = [json.dumps({"text": "one"}), "{", json.dumps({"title": "x"}), json.dumps({"text": 5}), '{"text": ""}']
    reading = read("r.jsonl", "\n".join(lines).encode())
    assert texts(reading) == [("r.jsonl#1", "prose", "one")]
    assert [item.path for item in reading.skipped] == ["r.jsonl#2", "r.jsonl#3", "r.jsonl#4", "r.jsonl#5"]
    assert reading.files_read == 1


def test_half_of_a_surrogate_pair_is_no_text():
    reading = read("r.jsonl", b'{"text": "good"}\n{"text": "half \\ud83d"}')
    assert [(item.path, item.reason) for item in reading.skipped] == [
        ("r.jsonl#2", "not text: it holds half of a surrogate pair")
    ]
    assert read("m.py", b'"""Half \\ud83d."""\n\n\ndef f():\n    """Do it."""\n').skipped[0].path == "m.py#m"


def test_json_nested_too_deeply_is_listed():
    assert read("r.jsonl", b"[" * 200_000).skipped[0].path == "r.jsonl#1"


def parquet(columns: dict[str, list | pa.Array]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def test_rows_of_parquet_are_documents_of_their_row():
    reading = read("d.parquet", parquet({"text": ["one", None, "two"]}))
    assert texts(reading) == [("d.parquet#1", "prose", "one"), ("d.parquet#3", "prose", "two")]
    assert reading.skipped[0].reason == "text is not a string"


@pytest.mark.parametrize("content", [b"PAR1 cut off", b""])
def test_a_truncated_parquet_file_is_listed(content):
    assert read("d.parquet", content).skipped[0].reason.startswith("no column 'text' in a .parquet file")


def test_parquet_without_the_column_is_listed():
    assert "text" in read("d.parquet", parquet({"body": ["one"]})).skipped[0].reason


def test_rows_of_an_arrow_stream_are_documents():
    table = pa.table({"text": ["one", "two"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert texts(read("d.arrow", sink.getvalue().to_pybytes())) == [
        ("d.arrow#1", "prose", "one"),
        ("d.arrow#2", "prose", "two"),
    ]


def test_a_line_that_is_too_long_is_listed_and_those_around_it_are_read(monkeypatch):
    monkeypatch.setattr(contents, "LARGEST_TEXT", 100)
    long = json.dumps({"text": "x" * 1_000})
    reading = read("r.jsonl", f'{{"text": "one"}}\n{long}\n{{"text": "three"}}\n{long}'.encode())
    assert texts(reading) == [("r.jsonl#1", "prose", "one"), ("r.jsonl#3", "prose", "three")]
    assert [(item.path, item.reason[:8]) for item in reading.skipped] == [
        ("r.jsonl#2", "too long"),
        ("r.jsonl#4", "too long"),
    ]


def test_a_text_of_one_endless_line_is_listed(monkeypatch):
    monkeypatch.setattr(contents, "LARGEST_TEXT", 100)
    assert texts(read("a.txt", b"y" * 100 + b"\n" + b"x" * 100)) == [("a.txt", "prose", "y" * 100 + "\n" + "x" * 100)]
    assert read("a.txt", b"y\n" + b"x" * 101).skipped[0].reason.startswith("too long")


def test_a_paragraph_or_value_that_is_too_long_is_listed(monkeypatch):
    monkeypatch.setattr(files, "LARGEST_TEXT", 10)
    monkeypatch.setattr(rows, "LARGEST_TEXT", 10)
    assert read("a.txt", b"line\nline\nline").skipped[0].reason.startswith("too long")
    assert read("d.parquet", parquet({"text": ["x" * 11, "y"]})).skipped[0].path == "d.parquet#1"


def test_lines_of_json_may_hold_what_ends_lines_elsewhere():
    assert texts(read("r.jsonl", '{"text": "a\u2028b"}\r\n'.encode())) == [("r.jsonl#1", "prose", "a\u2028b")]


def test_lines_of_json_in_utf_16_are_read_by_their_mark_and_a_line_that_is_not_utf_8_is_listed():
    assert texts(read("r.jsonl", '{"text": "é"}\n{"text": "b"}'.encode("utf-16"))) == [
        ("r.jsonl#1", "prose", "é"),
        ("r.jsonl#2", "prose", "b"),
    ]
    assert texts(read("r.jsonl", '{"text": "é"}'.encode("utf-8-sig"))) == [("r.jsonl#1", "prose", "é")]
    reading = read("r.jsonl", b'{"text": "caf\xe9"}\n{"text": "b\x00"}\n{"text": "c"}')
    assert texts(reading) == [("r.jsonl#3", "prose", "c")]
    assert [item.path for item in reading.skipped] == ["r.jsonl#1", "r.jsonl#2"]
    assert reading.skipped[0].reason.startswith("not JSON, which is UTF-8")


@given(st.lists(st.binary(max_size=40), max_size=8).map(b"\n".join), st.integers(1, 9))
def test_lines_are_those_of_the_whole_wherever_chunks_end(content, size):
    found = list(contents.lines(content[start : start + size] for start in range(0, len(content), size)))
    expected = content.split(b"\n")
    assert found == (expected if expected[-1] else expected[:-1])


def test_of_a_parquet_file_that_is_damaged_the_rows_before_are_read():
    draw = random.Random(1)
    names = [f"row {number} " + draw.randbytes(200).hex() for number in range(4_000)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": names}), sink, row_group_size=1_000, use_dictionary=False)
    content = bytearray(sink.getvalue().to_pybytes())
    third = pq.read_metadata(pa.BufferReader(bytes(content))).row_group(2).column(0).data_page_offset
    content[third : third + 1_000] = b"?" * 1_000
    reading = read("d.parquet", bytes(content))
    assert len(reading.documents) == 2_000
    assert [item.path for item in reading.skipped] == ["d.parquet"]
    assert reading.files_read == 0


def test_files_in_other_encodings_are_read_and_counted():
    for name, content in {
        "a.txt": "café".encode("cp1252"),
        "m.py": "# coding: latin-1\nx = 'é'".encode("cp1252"),
    }.items():
        reading = read(name, content)
        assert "é" in reading.documents[0].text
        assert (reading.files_read, reading.files_recoded) == (1, 1)
    assert read("a.txt", "café".encode()).files_recoded == 0


@pytest.mark.parametrize("name", ["a.c", "b.HPP", "c.rs", "d.sh", "e.jl"])
def test_source_code_is_a_document_as_it_is(name):
    text = "/* <b>[a](b)</b> */\n\nint main(void)\n{\n\n    return 0;\n}"
    assert texts(read(name, text.encode())) == [(name, "code", text)]


def test_dates_are_those_that_pages_and_rows_state():
    page = b'<meta property="article:published_time" content="2024-05-06T10:00:00Z"><p>The tower stands.</p>'
    assert [document.date for document in read("p.xhtml", page).documents] == ["2024-05-06"]
    lines = (
        b'{"text": "a", "date": "2020-01-02"}\n{"text": "b", "date": "May"}\n{"text": "c"}\n{"text": "d", "date": 5}'
    )
    assert [document.date for document in read("r.ndjson", lines).documents] == ["2020-01-02", None, None, None]
    table = parquet({"text": ["a", "b"], "date": [date(2021, 3, 4), None]})
    assert [document.date for document in read("d.parquet", table).documents] == ["2021-03-04", None]
    far = pa.array([10**7], pa.int32()).cast(pa.date32())  # beyond all calendars
    assert [document.date for document in read("f.parquet", parquet({"text": ["a"], "date": far})).documents] == [None]


def test_a_page_that_takes_too_long_is_listed_and_the_next_is_read():
    endless = "".join(f"<font color={number}><p>" for number in range(5_000))
    reading = Read("mine", None, "MIT")
    for name, page in {"bad.html": endless, "good.html": "<p>The tower stands.</p>" + "<br>" * 1_000}.items():
        content = page.encode()
        reading.documents += read_file(name, lambda content=content: iter([content]), "text", reading, 1_000, 0.2)
    assert [document.path for document in reading.documents] == ["good.html"]
    assert [(item.path, item.reason) for item in reading.skipped] == [
        ("bad.html", "its main text was not found within 0.2 s of computing")
    ]

import gzip
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from stages.errors import ExitCode, StageError
from stages.text.listing import listed
from stages.text.portions import PORTION_BYTES, portions
from stages.text.sources import (
    DatasetSource,
    FilesSource,
    PackagesSource,
    Source,
    Unit,
    UrlSource,
    check_licences,
    units,
)
from tests.text.portion_reading import read_all


def files(path: Path | str, name: str = "mine", licence: str = "MIT") -> FilesSource:
    return FilesSource(name=name, path=str(path), licence=licence)


def unit(source: FilesSource | DatasetSource | UrlSource) -> Unit:
    return Unit(source.name, source, most_characters=1_000, page_seconds=10.0, seed=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"b.txt": "Bee", "sub/a.md": "Ay", "sub/picture.png": "no", ".git/config.txt": "hidden"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "form"),
    [
        ({"name": "n", "path": "p", "licence": "MIT"}, FilesSource),
        ({"name": "n", "dataset": "d", "column": "text", "licence": "MIT"}, DatasetSource),
        ({"name": "n", "url": "memory://x", "licence": "MIT"}, UrlSource),
    ],
)
def test_the_key_that_only_one_form_has_chooses_the_form(entry, form):
    assert isinstance(TypeAdapter(Source).validate_python(entry), form)


def test_a_misspelt_entry_is_told_what_its_own_form_lacks():
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Source).validate_python({"name": "n", "path": "p", "license": "MIT"})
    assert {error["loc"] for error in caught.value.errors()} == {("path", "licence"), ("path", "license")}


def test_a_folder_is_read_with_its_subfolders_without_hidden_files(folder):
    reading = read_all(unit(files(folder)))
    assert [(document.path, document.text) for document in reading.documents] == [("b.txt", "Bee"), ("sub/a.md", "Ay")]
    assert (reading.files_read, reading.files_ignored) == (2, 1)


@pytest.mark.parametrize(("pattern", "expected"), [("**/*.md", ["sub/a.md"]), ("b.txt", ["b.txt"])])
def test_globs_and_files_keep_paths_relative_to_their_fixed_part(folder, pattern, expected):
    listing = listed(f"{folder}/{pattern}")
    assert (listing.root, listing.files) == (folder, expected)


def test_a_path_without_files_is_a_data_error(tmp_path):
    with pytest.raises(StageError, match="no files") as caught:
        read_all(unit(files(tmp_path)))
    assert caught.value.code == ExitCode.DATA


def test_a_saved_data_set_is_read_by_its_column(tmp_path):
    table = pa.table({"body": ["one", "two"]})
    for name in ("data-00000-of-00001.arrow", "cache-123.arrow"):
        with pa.OSFile(str(tmp_path / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    (tmp_path / "state.json").write_text("{}")
    reading = read_all(unit(DatasetSource(name="d", dataset=str(tmp_path), column="body", licence="MIT")))
    assert [document.text for document in reading.documents] == ["one", "two"]
    assert reading.files_ignored == 2


def test_files_behind_a_url_are_read_in_order(tmp_path):
    for name, text in {"b.txt": "Bee", "a.txt": "Ay"}.items():
        (tmp_path / name).write_text(text)
    reading = read_all(unit(UrlSource(name="u", url=f"file://{tmp_path}/*.txt", licence="MIT")))
    assert [(document.path, document.text) for document in reading.documents] == [("a.txt", "Ay"), ("b.txt", "Bee")]


def test_an_unreachable_url_is_a_data_error(tmp_path):
    with pytest.raises(StageError, match="cannot read URL"):
        read_all(unit(UrlSource(name="u", url=f"file://{tmp_path}/none.txt", licence="MIT")))


def test_a_broken_archive_behind_a_url_is_listed_beside_whole_ones(tmp_path):
    packed = gzip.compress(b"Ay " * 1000)
    contents = {"a": packed, "b": packed[:-20], "c": b"no archive", "d": packed[:20] + b"?" * 20 + packed[40:]}
    for name, content in contents.items():
        (tmp_path / f"{name}.txt.gz").write_bytes(content)
    reading = read_all(unit(UrlSource(name="u", url=f"file://{tmp_path}/*.gz", licence="MIT")))
    assert [document.path for document in reading.documents] == ["a.txt"]
    assert [item.path for item in reading.skipped] == ["b.txt", "c.txt", "d.txt"]
    assert all(item.reason.startswith("cannot be unpacked") for item in reading.skipped)


def test_a_pattern_that_is_no_glob_is_a_configuration_error(tmp_path):
    with pytest.raises(StageError, match="not a glob") as caught:
        read_all(unit(files(f"{tmp_path}/**.txt")))
    assert caught.value.code == ExitCode.CONFIGURATION


def test_every_package_is_a_unit_and_names_must_differ():
    packages = PackagesSource(packages=("a", "b"), exclude=(), reference_bytes=1, code_bytes=1, prose_bytes=1)
    assert [found.name for found in units([packages, files("p")], 1_000, 10.0, 1)] == ["a", "b", "mine"]
    with pytest.raises(StageError, match="share a name: a"):
        units([packages, files("p", name="a")], 1_000, 10.0, 1)


def test_a_licence_that_is_not_listed_is_refused():
    check_licences([unit(files("p"))], ["MIT"])
    with pytest.raises(StageError, match=r"mine: GPL-3\.0-only"):
        check_licences([unit(files("p", licence="GPL-3.0-only"))], ["MIT"])


def test_files_of_one_source_are_divided_in_order_by_number_and_size(tmp_path, monkeypatch):
    for number in range(7):
        (tmp_path / f"{number}.txt").write_text("x" * 10)
    (tmp_path / "5.txt").write_text("x" * 100)
    monkeypatch.setattr("stages.text.portions.PORTION_FILES", 3)
    monkeypatch.setattr("stages.text.portions.PORTION_BYTES", 25)
    found = [[place[0] for place, _ in portion.files] for portion in portions(unit(files(tmp_path)))]
    assert found == [["0", "1"], ["2", "3"], ["4"], ["5"], ["6"]]
    monkeypatch.setattr("stages.text.portions.PORTION_BYTES", PORTION_BYTES)
    assert [len(portion.files) for portion in portions(unit(files(tmp_path)))] == [3, 3, 1]


def test_a_folder_that_cannot_be_opened_is_listed(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):  # root may open any folder
        if str(path).endswith("/sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    reading = read_all(unit(files(folder)))
    assert [document.path for document in reading.documents] == ["b.txt"]
    assert [(item.path, item.reason) for item in reading.skipped] == [("sub", "cannot be opened: Permission denied")]


def test_files_of_one_name_behind_a_glob_are_told_apart_by_their_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("Ex")
    reading = read_all(unit(UrlSource(name="u", url=f"file://{tmp_path}/*/x.txt", licence="MIT")))
    assert [document.path for document in reading.documents] == ["a/x.txt", "b/x.txt"]
    assert len({document.id for document in reading.documents}) == 2


def test_a_glob_behind_a_url_that_names_nothing_is_a_data_error(tmp_path):
    with pytest.raises(StageError, match="cannot read URL"):
        portions(unit(UrlSource(name="u", url=f"file://{tmp_path}/*.txt", licence="MIT")))


@pytest.fixture
def server(monkeypatch) -> Iterator[tuple[str, dict[str, int]]]:
    """The address of a server of `NAME.txt`, and of every name how often it closes in the middle before it does not."""
    monkeypatch.setattr("stages.text.remote.PAUSE", 0.0)
    failures: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(b"")

        def do_GET(self):
            name = self.path.strip("/")
            failures[name] = failures.get(name, 0) - 1
            self.answer(b"Half" if failures[name] >= 0 else b"Half a text is none.")

        def answer(self, content):
            if self.path == "/none.txt":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "20")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}", failures
        serving.shutdown()


def test_a_transfer_that_breaks_off_is_tried_again(server):
    address, failures = server
    failures["a.txt"] = 2
    reading = read_all(unit(UrlSource(name="u", url=f"{address}/a.txt", licence="MIT")))
    assert [document.text for document in reading.documents] == ["Half a text is none."]


def test_a_transfer_that_breaks_off_every_time_is_listed(server):
    address, failures = server
    failures["a.txt"] = 10
    reading = read_all(unit(UrlSource(name="u", url=f"{address}/a.txt", licence="MIT")))
    assert (reading.documents, len(reading.skipped)) == ([], 1)
    assert reading.skipped[0].path == "a.txt"
    assert reading.skipped[0].reason.startswith("cannot be fetched")
    assert failures["a.txt"] == 7


def test_a_url_that_names_nothing_is_not_tried_again(server):
    address, failures = server
    with pytest.raises(StageError, match="cannot read URL"):
        read_all(unit(UrlSource(name="u", url=f"{address}/none.txt", licence="MIT")))
    assert failures.get("none.txt", -1) >= -1

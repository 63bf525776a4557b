import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from stages.errors import ExitCode, StageError
from stages.text.sources import (
    DatasetSource,
    FilesSource,
    PackagesSource,
    Source,
    Unit,
    UrlSource,
    check_licences,
    root_and_files,
    units,
)


def files(path: Path | str, name: str = "mine", licence: str = "MIT") -> FilesSource:
    return FilesSource(name=name, path=str(path), licence=licence)


def unit(source: FilesSource | DatasetSource | UrlSource) -> Unit:
    return Unit(source.name, source, most_characters=1_000, seed=1)


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
    reading = unit(files(folder)).read()
    assert [(document.path, document.text) for document in reading.documents] == [("b.txt", "Bee"), ("sub/a.md", "Ay")]
    assert (reading.files_read, reading.files_ignored) == (2, 1)


@pytest.mark.parametrize(("pattern", "expected"), [("**/*.md", ["sub/a.md"]), ("b.txt", ["b.txt"])])
def test_globs_and_files_keep_paths_relative_to_their_fixed_part(folder, pattern, expected):
    root, found = root_and_files(f"{folder}/{pattern}")
    assert root == folder
    assert [path.relative_to(root).as_posix() for path in found] == expected


def test_a_path_without_files_is_a_data_error(tmp_path):
    with pytest.raises(StageError, match="no files") as caught:
        unit(files(tmp_path)).read()
    assert caught.value.code == ExitCode.DATA


def test_a_saved_data_set_is_read_by_its_column(tmp_path):
    table = pa.table({"body": ["one", "two"]})
    for name in ("data-00000-of-00001.arrow", "cache-123.arrow"):
        with pa.OSFile(str(tmp_path / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    (tmp_path / "state.json").write_text("{}")
    reading = unit(DatasetSource(name="d", dataset=str(tmp_path), column="body", licence="MIT")).read()
    assert [document.text for document in reading.documents] == ["one", "two"]
    assert reading.files_ignored == 2


def test_files_behind_a_url_are_read_in_order(tmp_path):
    for name, text in {"b.txt": "Bee", "a.txt": "Ay"}.items():
        (tmp_path / name).write_text(text)
    reading = unit(UrlSource(name="u", url=f"file://{tmp_path}/*.txt", licence="MIT")).read()
    assert [(document.path, document.text) for document in reading.documents] == [("a.txt", "Ay"), ("b.txt", "Bee")]


def test_an_unreachable_url_is_a_data_error(tmp_path):
    with pytest.raises(StageError, match="cannot read URL"):
        unit(UrlSource(name="u", url=f"file://{tmp_path}/none.txt", licence="MIT")).read()


def test_a_broken_archive_behind_a_url_is_listed_beside_whole_ones(tmp_path):
    packed = gzip.compress(b"Ay " * 1000)
    contents = {"a": packed, "b": packed[:-20], "c": b"no archive", "d": packed[:20] + b"?" * 20 + packed[40:]}
    for name, content in contents.items():
        (tmp_path / f"{name}.txt.gz").write_bytes(content)
    reading = unit(UrlSource(name="u", url=f"file://{tmp_path}/*.gz", licence="MIT")).read()
    assert [document.path for document in reading.documents] == ["a.txt"]
    assert [item.path for item in reading.skipped] == ["b.txt", "c.txt", "d.txt"]
    assert all(item.reason.startswith("cannot be unpacked") for item in reading.skipped)


def test_a_pattern_that_is_no_glob_is_a_configuration_error(tmp_path):
    with pytest.raises(StageError, match="not a glob") as caught:
        unit(files(f"{tmp_path}/**.txt")).read()
    assert caught.value.code == ExitCode.CONFIGURATION


def test_every_package_is_a_unit_and_names_must_differ():
    packages = PackagesSource(packages=("a", "b"), exclude=(), reference_bytes=1, code_bytes=1, prose_bytes=1)
    assert [found.name for found in units([packages, files("p")], 1_000, 1)] == ["a", "b", "mine"]
    with pytest.raises(StageError, match="share a name: a"):
        units([packages, files("p", name="a")], 1_000, 1)


def test_a_licence_that_is_not_listed_is_refused():
    check_licences([unit(files("p"))], ["MIT"])
    with pytest.raises(StageError, match=r"mine: GPL-3\.0-only"):
        check_licences([unit(files("p", licence="GPL-3.0-only"))], ["MIT"])

import hashlib
import json
from pathlib import Path

import pytest

from flows.sources import file_entries, main, package_entry, record, url_entries, write_if_changed


def install(folder: Path, record_rows: list[str]) -> None:
    information = folder / "waterwheel-1.2.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.4\nName: waterwheel\nVersion: 1.2\n")
    (information / "RECORD").write_text("\n".join(record_rows) + "\n")


PORTABLE = ["waterwheel/__init__.py,sha256=aa,10", '"waterwheel/a,b.py",sha256=bb,11']


def test_a_package_is_known_by_its_version_and_its_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, PORTABLE)
    expected = hashlib.sha256("\n".join(sorted(PORTABLE)).encode()).hexdigest()
    assert package_entry("waterwheel") == {"version": "1.2", "hash": expected}


def test_what_differs_between_folders_does_not_count(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, PORTABLE)
    before = package_entry("waterwheel")
    local = ["../../bin/waterwheel,sha256=cc,12", "waterwheel/__pycache__/a.cpython-311.pyc,,"]
    written = [f"waterwheel-1.2.dist-info/{name},sha256=dd,4" for name in ("INSTALLER", "REQUESTED", "direct_url.json")]
    install(tmp_path, [*local, *reversed(PORTABLE), *written])
    assert package_entry("waterwheel") == before
    install(tmp_path, [*PORTABLE, "waterwheel/new.py,sha256=ee,5"])
    assert package_entry("waterwheel") != before


def test_files_are_known_by_relative_path_size_and_content(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("Ay")
    (tmp_path / ".hidden").write_text("no")
    digest = hashlib.sha256(b"Ay").hexdigest()
    assert file_entries(str(tmp_path), {}) == {"sub/a.txt": {"size": 2, "hash": digest}}
    assert file_entries(f"{tmp_path}/*/*.txt", {}) == {"sub/a.txt": {"size": 2, "hash": digest}}


def test_a_file_of_the_same_size_and_time_is_not_hashed_again(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Ay")
    cache: dict = {}
    file_entries(str(tmp_path), cache)
    (entry,) = cache.values()
    entry[2] = "from the cache"
    assert file_entries(str(tmp_path), cache)["a.txt"]["hash"] == "from the cache"
    path.write_text("Bee")
    assert file_entries(str(tmp_path), cache)["a.txt"]["hash"] == hashlib.sha256(b"Bee").hexdigest()


def test_urls_are_known_by_what_the_store_says_of_them(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Ay")
    (entry,) = url_entries(f"file://{tmp_path}/*.txt").values()
    path.write_text("Bee")
    assert url_entries(f"file://{path}") != {str(path): entry}


def test_every_form_of_source_is_recorded_under_its_name(tmp_path):
    (tmp_path / "a.txt").write_text("Ay")
    entries = [
        {"packages": ["numpy"]},
        {"name": "notes", "path": str(tmp_path)},
        {"name": "saved", "dataset": str(tmp_path)},
        {"name": "far", "url": f"file://{tmp_path}/a.txt"},
    ]
    recorded = record(entries, {})
    assert {form: sorted(names) for form, names in recorded.items()} == {
        "packages": ["numpy"],
        "files": ["notes", "saved"],
        "urls": ["far"],
    }


def test_the_record_is_rewritten_only_when_its_content_changes(tmp_path):
    path = tmp_path / "data" / "sources.json"
    assert write_if_changed(path, {"b": 1, "a": 2})
    before = path.stat().st_mtime_ns
    assert not write_if_changed(path, {"a": 2, "b": 1})
    assert path.stat().st_mtime_ns == before
    assert write_if_changed(path, {"a": 3})
    assert json.loads(path.read_text()) == {"a": 3}


def test_a_missing_package_is_named():
    with pytest.raises(ModuleNotFoundError, match="no-such-package"):
        package_entry("no-such-package")


NO_SOURCE = "collect: {sources: []}\n"
WEIGHTS = "cannot read the weights of pretrain.init_from:"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("collect: [", "cannot read parameters: params.yaml"),
        ("", "section missing: params.yaml: collect.sources"),
        ("[collect]", "section missing: params.yaml: collect.sources"),
        ("clean: {}", "section missing: params.yaml: collect.sources"),
        ("collect: {sources: }", "no source: None"),
        ("collect: {sources: click}", "no source: click"),
        ("collect: {sources: [{packages: 3}]}", "cannot list a source: 'int' object is not iterable"),
        ("collect: {sources: [{name: n, pth: p}]}", "no source: {'name': 'n', 'pth': 'p'}"),
        ("collect: {sources: [{path: p}]}", "source without 'name'"),
        ("collect: {sources: [{packages: [no-such-package]}]}", "package not installed: no-such-package"),
        ("collect: {sources: [{name: n, path: 'a/**b'}]}", "cannot list a source: Invalid pattern"),
        ("collect: {sources: [{name: n, url: 'file:///no/such/file'}]}", "cannot list a source"),
        ("collect: {sources: [{name: n, url: 'https://a:b@host/c'}]}", "password in an address: source n."),
        ("collect: {sources: [{name: n, ulr: 'x::https://a:b@host/c'}]}", "password in an address: source n."),
        (f"{NO_SOURCE}pretrain: {{init_from: {{path: empty}}}}", "no weights: pretrain.init_from: nothing in empty"),
        (f"{NO_SOURCE}pretrain: {{init_from: {{name: a/b}}}}", f"{WEIGHTS} 'revision'"),
        (f"{NO_SOURCE}pretrain: {{init_from: {{name: a/b, revision: {'0' * 40}}}}}", WEIGHTS),
    ],
)
def test_what_cannot_be_listed_is_one_line_and_a_configuration_error(tmp_path, monkeypatch, capsys, parameters, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(parameters)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sources: {words}")
    assert not (tmp_path / "data").exists()


def test_hashes_that_were_cut_off_are_made_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("collect: {sources: [{name: notes, path: notes}]}")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("Ay")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file_hashes.json").write_text('{"/a": [1, ')
    main()
    assert json.loads((tmp_path / "data/file_hashes.json").read_text()).keys() == {str(tmp_path / "notes/a.txt")}


def test_a_file_that_cannot_be_read_is_recorded_as_such(tmp_path):
    (tmp_path / "memory.txt").symlink_to("/proc/self/mem")  # opens, and fails when read from its start
    assert file_entries(str(tmp_path), {}) == {"memory.txt": {"size": 0, "hash": "unreadable"}}


def test_published_weights_are_known_by_their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model-00001-of-00002.safetensors", "README.md"):
        (folder / name).write_text(name)
    sources = "collect: {sources: [{name: notes, path: notes}]}"
    (tmp_path / "params.yaml").write_text(f"{sources}\ntrain_tokenizer: {{init_from: null}}\npretrain: {{}}")
    main()
    weights = tmp_path / "data/weights.json"
    assert json.loads(weights.read_text()) == {}
    (tmp_path / "params.yaml").write_text(f"{sources}\npretrain: {{init_from: {{path: theirs}}}}")
    main()
    files = json.loads(weights.read_text())["pretrain"]["files"]
    assert sorted(files) == ["config.json", "model-00001-of-00002.safetensors", "tokenizer.json"]
    assert files["config.json"] == {"size": 11, "hash": hashlib.sha256(b"config.json").hexdigest()}

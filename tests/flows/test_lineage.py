"""Files, parameters and commands held against `dvc.lock`: small projects whose hashes are worked out here by hand."""

import hashlib
import json
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

from flows import trace
from flows.lineage import Checkout, folder_listing, folder_md5
from tests.flows.projects import PIPELINE, md5, write_project


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project()
    return tmp_path


def broken(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The last line of a trace that does not hold."""
    assert trace.run(words) == trace.DATA
    return capsys.readouterr().err.splitlines()[-1]


def flip(name: str) -> None:
    """Change one bit in the middle of a file."""
    path = Path(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_folder_s_hash_is_that_of_the_sorted_json_list_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "f" / "sub").mkdir(parents=True)
    (tmp_path / "f" / "b.txt").write_text("Bee")
    (tmp_path / "f" / "sub" / "a.txt").write_text("Ay")
    (tmp_path / "f" / "left.pyc").write_text("out")
    listing = folder_listing(tmp_path / "f", GitIgnoreSpec.from_lines(["*.pyc"]))
    assert listing == {"b.txt": md5("Bee"), "sub/a.txt": md5("Ay")}
    text = f'[{{"md5": "{md5("Bee")}", "relpath": "b.txt"}}, {{"md5": "{md5("Ay")}", "relpath": "sub/a.txt"}}]'
    assert folder_md5(listing) == md5(text) + ".dir"


def test_the_chain_leads_from_an_output_to_what_came_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["data/train/model"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if not line.startswith(" ")] == ["train", "count", shown[-1]]
    assert shown[-1].startswith("all holds: ")
    assert any("data/words.txt" in line and "from outside" in line and line.endswith("ok") for line in shown)
    assert any("rate=0.5" in line for line in shown)


@pytest.mark.parametrize("path", ["data/train/model/run.json", "data/train", "data/train/model"])
def test_a_path_inside_a_folder_or_above_it_leads_to_the_output(path: str) -> None:
    checkout = Checkout()
    assert [stage.name for stage, _ in checkout.behind([path])] == ["train", "count"]
    assert trace.run([path]) == 0


def test_an_input_from_outside_names_its_readers(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run(["data/words.txt"]) == 0
    assert "by count" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", ["data/train/model/weights.bin", "data/train/model/run.json", "data/count/counts/a.txt", "data/words.txt"]
)
def test_one_flipped_bit_is_found_and_its_file_named(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    flip(path)
    assert f"does not hold: {path}: dvc.lock" in broken(capsys, "data/train/model")
    assert f"does not hold: {path}: dvc.lock" in broken(capsys, "--all")


def test_without_dvc_s_list_of_files_the_folder_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for listing in Path(".dvc/cache/files/md5").rglob("*.dir"):
        listing.write_text("[]")
    flip("data/train/model/weights.bin")
    assert broken(capsys, "data/train/model").startswith("does not hold: data/train/model: dvc.lock (train) has")


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.rename(path.with_name("z.txt"))])
def test_a_file_that_is_gone_is_named(change, capsys: pytest.CaptureFixture[str]) -> None:
    change(Path("data/count/counts/a.txt"))
    line = broken(capsys, "data/count/counts")
    assert line == f"does not hold: data/count/counts/a.txt: dvc.lock (count) has {md5('a 2')}, found missing"


def test_changed_code_parameters_and_commands_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("code.py").write_text("pass  # else\n")
    assert "code.py: dvc.lock (count) has" in broken(capsys, "data/count/counts")
    write_project()
    Path("params.yaml").write_text("train: {rate: 0.25, names: [a, b]}\n")
    line = "does not hold: params.yaml: train.rate: dvc.lock (train) has 0.5, found 0.25"
    assert broken(capsys, "data/train/model") == line
    write_project()
    Path("dvc.yaml").write_text(PIPELINE.replace("python train", "python trainer"))
    assert "dvc.yaml: command of train" in broken(capsys, "data/train/model")


def test_a_broken_file_comes_before_changed_code(capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.py").write_text("pass  # else\n")
    flip("data/words.txt")
    assert "data/words.txt" in broken(capsys, "data/train/model")


def test_a_stage_s_own_note_of_an_input_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    write_project(noted=hashlib.sha256(b"something else").hexdigest())
    line = broken(capsys, "data/train/model")
    assert line.startswith("does not hold: data/count/counts: data/train/model/run.json has ")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("count:\n", "coumt:\n", "dvc.lock: data/count/counts"),
        ("path: data/words.txt", "path: data/wordz.txt", "data/wordz.txt"),
        ("outs:", "oats:", "dvc.lock: data/count/counts"),
        ("deps:", "debs:", "dvc.lock: code.py"),
        ("params:", "parans:", "dvc.lock: train"),
        ("stages:", "stages;", "dvc.lock"),
        ("cmd: python", "cmf: python", "dvc.lock"),
        ("rate: 0.5", "rate: 0.4", "train.rate"),
        (f"md5: {md5('a a b')}", f"md5: 0{md5('a a b')[1:]}", "data/words.txt"),
    ],
)
def test_a_flipped_bit_in_the_lock_is_found(old, new, named, capsys: pytest.CaptureFixture[str]) -> None:
    lock = Path("dvc.lock")
    assert old in lock.read_text()
    lock.write_text(lock.read_text().replace(old, new, 1))
    assert named in broken(capsys, "--all")


@pytest.mark.parametrize("path", ["data/nothing", "code", "../elsewhere", "data/train/model/nothing.bin"])
def test_a_path_that_nothing_wrote_is_a_bad_argument(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.run([path]) == trace.CONFIGURATION
    assert capsys.readouterr().err.startswith(path)


def test_before_the_first_run_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dvc.lock").unlink()
    assert trace.run(["data/train/model"]) == trace.CONFIGURATION
    assert "Run the pipeline first" in capsys.readouterr().err


def test_json_has_every_check_with_both_values(capsys: pytest.CaptureFixture[str]) -> None:
    flip("data/words.txt")
    assert trace.run(["data/train/model", "--json"]) == trace.DATA
    content = json.loads(capsys.readouterr().out)
    checks = {check["what"]: check for step in content["steps"] for line in step["lines"] for check in line["checks"]}
    assert content["holds"] is False
    assert content["broken"].startswith("data/words.txt")
    assert checks["data/words.txt"]["recorded"] == md5("a a b")
    assert not checks["data/words.txt"]["holds"]
    assert checks["data/train/model"]["holds"]

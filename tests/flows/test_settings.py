"""Settings as they are written, what they change, and the hash that finds them again."""

from pathlib import Path
from typing import Any

import pytest

from flows.settings import SettingError, applied, fingerprint, read_settings, sources, split, values
from tests.flows.projects import write_project

STAGES: dict[str, Any] = {
    "count": {"cmd": "count", "deps": ["code", "data/words.txt"], "outs": ["data/count"]},
    "train": {
        "cmd": "train",
        "deps": ["code/train.py", "data/count/counts"],
        "params": ["train"],
        "outs": [{"data/train/model": {"cache": True}}],
    },
}
PARAMETERS = {"train": {"rate": 0.5, "shape": {"depth": 2}}, "unused": {"x": 1}}
HASHES = {"code": "1", "code/train.py": "2", "data/words.txt": "3"}


def test_a_comma_ends_an_override_only_before_the_next_name() -> None:
    assert split("a.b=4,c=[1,2],d_e={x: 1, y: 2},f=x") == ["a.b=4", "c=[1,2]", "d_e={x: 1, y: 2}", "f=x"]


def test_values_are_read_as_in_the_parameter_file() -> None:
    written = "a=2_000_000,b=1e-3,c=null,d=[0.7,1.0],e=adamw,f=true"
    assert values(written) == {"a": 2_000_000, "b": 0.001, "c": None, "d": [0.7, 1.0], "e": "adamw", "f": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [("depth", "not a setting"), ("=3", "not a setting"), ("a=1,2", "one value only"), ("a=[1", "cannot be read")],
)
def test_what_is_no_setting_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        values(text)


def test_an_override_replaces_one_value_and_leaves_the_given_parameters() -> None:
    assert applied(PARAMETERS, {"train.shape.depth": 3})["train"] == {"rate": 0.5, "shape": {"depth": 3}}
    assert PARAMETERS["train"] == {"rate": 0.5, "shape": {"depth": 2}}


@pytest.mark.parametrize("name", ["train.deep", "train.rate.deep", "training", "train.shape.depth.x"])
def test_a_parameter_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: no such parameter"):
        applied(PARAMETERS, {name: 3})


def test_sources_are_what_no_stage_writes() -> None:
    assert sources(STAGES) == ["code", "code/train.py", "data/words.txt"]


def test_the_hash_changes_with_command_parameters_and_sources_and_with_nothing_else() -> None:
    before = fingerprint(STAGES, PARAMETERS, HASHES)
    assert len(before) == 16
    assert fingerprint(STAGES, PARAMETERS | {"unused": {"x": 2}}, HASHES | {"other": "4"}) == before
    changed = [
        fingerprint(STAGES | {"count": STAGES["count"] | {"cmd": "count twice"}}, PARAMETERS, HASHES),
        fingerprint(STAGES, applied(PARAMETERS, {"train.rate": 0.25}), HASHES),
        fingerprint(STAGES, PARAMETERS, HASHES | {"data/words.txt": "4"}),
    ]
    assert len({before, *changed}) == 4


def test_a_setting_that_says_what_the_file_says_is_the_checkout_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project()
    (same, other), current = read_settings(["train.rate=0.50", "train.rate=0.25"])
    assert same.name == current.name != other.name
    assert (same.text, other.name[:8]) == ("train.rate=0.50", "setting-")
    Path("code.py").write_text("edited\n")
    (edited,), _ = read_settings(["train.rate=0.50"])
    assert edited.name != same.name

import json
from importlib.metadata import version

import pytest

from stages.errors import StageError
from stages.text.packages import PackagesSource
from stages.text.recorded_sources import read_recorded, source_hash
from stages.text.sources import FilesSource, Unit

PACKAGES = PackagesSource(packages=("numpy",), exclude=(), reference_bytes=1, code_bytes=1, prose_bytes=1)
NUMPY = Unit("numpy", PACKAGES, 1_000, 10.0, 1)
FILES = Unit("mine", FilesSource(name="mine", path="p", licence="MIT"), 1_000, 10.0, 1)


def test_the_hash_changes_with_what_is_recorded():
    before, after = ({"files": {"mine": {"a.txt": {"size": 1, "hash": digest}}}} for digest in ("aa", "bb"))
    assert source_hash(before, FILES) == source_hash(before, FILES) != source_hash(after, FILES)


def test_a_source_that_is_not_recorded_is_refused():
    with pytest.raises(StageError, match=r"source not recorded: mine.*flows.sources"):
        source_hash({"packages": {"mine": {}}}, FILES)


def test_a_package_of_another_version_is_refused():
    assert source_hash({"packages": {"numpy": {"version": version("numpy"), "hash": "aa"}}}, NUMPY)
    with pytest.raises(StageError, match=r"numpy: 0\.0 recorded"):
        source_hash({"packages": {"numpy": {"version": "0.0", "hash": "aa"}}}, NUMPY)


def test_a_damaged_record_is_a_data_error(tmp_path):
    path = tmp_path / "sources.json"
    path.write_text('{"packages":')
    with pytest.raises(StageError, match="cannot read recorded sources"):
        read_recorded(path)
    path.write_text(json.dumps({"packages": {}}))
    assert read_recorded(path) == {"packages": {}}

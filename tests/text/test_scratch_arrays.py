from pathlib import Path

import numpy as np
import pytest

from stages.errors import ExitCode, StageError
from stages.text.scratch_arrays import Form, open_arrays, write_arrays

FORM = Form("numbers", 2, {"seed": 1})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    blocks = {"a": [np.arange(3, dtype=np.uint32), np.arange(2, dtype=np.uint32)], "b": [np.ones((2, 2))], "c": [NONE]}
    write_arrays(tmp_path / "file", FORM, blocks)
    return tmp_path / "file"


NONE = np.empty((0, 4), dtype=np.int64)


def test_arrays_come_back_with_their_blocks_joined(file):
    arrays = open_arrays(file, FORM)
    assert arrays["a"].tolist() == [0, 1, 2, 0, 1]
    assert arrays["b"].tolist() == [[1, 1], [1, 1]]
    assert arrays["c"].shape == (0, 4)
    assert [array.dtype for array in arrays.values()] == [np.uint32, np.float64, np.int64]


def test_the_same_arrays_make_the_same_bytes_and_leave_nothing_else(file):
    before = file.read_bytes()
    arrays = open_arrays(file, FORM)
    write_arrays(file, FORM, {name: [array] for name, array in arrays.items()})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    "other",
    [FORM._replace(version=1), FORM._replace(parameters={"seed": 2}), FORM._replace(what="words")],
    ids=["version", "parameters", "what"],
)
def test_a_file_of_another_form_is_refused(file, other):
    with pytest.raises(StageError, match="of other parameters or of another version") as raised:
        open_arrays(file, other)
    assert raised.value.code == ExitCode.DATA


@pytest.mark.parametrize("left", [0, 5, 30, 300, -1])
def test_a_file_that_is_cut_short_is_refused(file, left):
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(StageError, match="scratch file"):
        open_arrays(file, FORM)


def test_a_changed_file_is_refused_after_it_was_opened_once(file):
    open_arrays(file, FORM)
    content = bytearray(file.read_bytes())
    content[-64 * 2] ^= 1
    file.with_name("changed").write_bytes(content)
    file.with_name("changed").replace(file)
    with pytest.raises(StageError, match="cut short or changed"):
        open_arrays(file, FORM)

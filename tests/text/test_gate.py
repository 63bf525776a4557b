import json

import pytest

from stages.errors import ExitCode, StageError
from stages.hashing import folder_hash
from stages.text.gate import require_passed, write_passed


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "part.parquet").write_bytes(b"text")
    return folder


def test_documents_that_passed_are_let_through(tmp_path, documents):
    write_passed(tmp_path / "passed.json", {"documents": folder_hash(documents)})
    require_passed(tmp_path / "passed.json", documents)


def test_documents_that_changed_since_are_refused(tmp_path, documents):
    write_passed(tmp_path / "passed.json", {"documents": folder_hash(documents)})
    (documents / "part.parquet").write_bytes(b"other text")
    with pytest.raises(StageError, match="changed after they were validated") as failure:
        require_passed(tmp_path / "passed.json", documents)
    assert failure.value.code == ExitCode.DATA


@pytest.mark.parametrize("content", ["{}", '{"passed": false}', "no verdict"])
def test_anything_but_a_verdict_of_passed_is_refused(tmp_path, documents, content):
    (tmp_path / "passed.json").write_text(content)
    with pytest.raises(StageError) as failure:
        require_passed(tmp_path / "passed.json", documents)
    assert failure.value.code == ExitCode.DATA


def test_the_verdict_holds_hashes_and_nothing_else(tmp_path):
    write_passed(tmp_path / "passed.json", {"documents": "abc"})
    assert json.loads((tmp_path / "passed.json").read_text()) == {"passed": True, "documents": "abc"}

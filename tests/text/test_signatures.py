from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.errors import StageError
from stages.text import comparable
from stages.text.kernels import ngrams, signature
from stages.text.near_duplicates import permutations
from stages.text.scratch_arrays import open_arrays
from stages.text.signatures import Shape, shingle_part, sign_part
from stages.text.word_hashes import word_hashes
from tests.tables import write_documents

SHAPE = Shape(seed=3, shingle_words=2, bands=3, rows=2)
TEXTS = ["The ferry runs at six.", "", "ä ö ü ä ö ü ä ö", "?!", "one", "The FERRY runs\nat six"]


@pytest.fixture
def part(tmp_path: Path) -> Path:
    table = pd.DataFrame({"id": [f"{row}" for row in range(len(TEXTS))], "text": TEXTS})
    write_documents(tmp_path, table.assign(source="s", path="p", kind="prose", licence="MIT"))
    return tmp_path / "part-00000.parquet"


def pairs_of_words(text: str) -> np.ndarray:
    """The n-grams of two words; those of a text of one word are the word itself."""
    hashes = word_hashes(text)
    return ngrams(hashes, max(min(len(hashes), 2), 1))


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_a_part_is_signed_row_by_row(part: Path, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparable, "BATCH_DOCUMENTS", batch)
    sign_part(part, tmp_path / "signed", SHAPE)
    signed = open_arrays(tmp_path / "signed", SHAPE.form("signatures"))
    functions = permutations(6, seed=3)
    expected = [signature(pairs_of_words(text), *functions).tolist() for text in TEXTS]
    assert signed["signature"].tolist() == expected
    assert signed["words"].tolist() == [len(word_hashes(text)) for text in TEXTS]
    assert signed["characters"].tolist() == list(map(len, TEXTS))
    assert len(np.unique(signed["content"], axis=0)) == len(TEXTS)


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_shingles_are_those_of_the_wanted_rows(
    part: Path, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparable, "BATCH_DOCUMENTS", batch)
    shingle_part(part, np.array([1, 2, 5]), tmp_path / "file", SHAPE)
    stored = open_arrays(tmp_path / "file", SHAPE.form("shingles"))
    expected = [np.unique(pairs_of_words(TEXTS[row])).tolist() for row in (1, 2, 5)]
    assert stored["counts"].tolist() == list(map(len, expected))
    assert stored["shingles"].tolist() == [*chain.from_iterable(expected)]


def test_signatures_of_other_parameters_are_refused(part: Path, tmp_path: Path) -> None:
    sign_part(part, tmp_path / "signed", SHAPE)
    with pytest.raises(StageError, match="of other parameters"):
        open_arrays(tmp_path / "signed", SHAPE._replace(seed=4).form("signatures"))

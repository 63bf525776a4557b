import pandas as pd
import pytest

from stages.text.document_parts import parts, read_sizes, read_texts
from tests.tables import write_documents


@pytest.fixture
def folder(tmp_path):
    for number, texts in enumerate((["a", "\u00e9\u00e9"], ["", "\U0001f469 b"])):
        table = pd.DataFrame({"id": [f"{number}-{index}" for index in range(2)], "text": texts, "kind": "prose"})
        write_documents(tmp_path / "one", table)
        (tmp_path / "one" / "part-00000.parquet").rename(tmp_path / f"part-{number:05}.parquet")
    return tmp_path


def test_sizes_are_bytes_of_utf8_in_the_order_of_parts(folder):
    sizes = read_sizes(folder, ["id", "kind"])
    assert sizes["id"].tolist() == ["0-0", "0-1", "1-0", "1-1"]
    assert sizes["bytes"].tolist() == [1, 4, 0, 6]
    assert list(zip(sizes["part"], sizes["row"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(sizes) == ["id", "kind", "bytes", "part", "row"]


def test_only_wanted_texts_are_read(folder):
    first, second = parts(folder)
    assert list(read_texts(first, {"0-1", "1-1"})) == [("0-1", "\u00e9\u00e9")]
    assert list(read_texts(second, {"0-1", "1-1"})) == [("1-1", "\U0001f469 b")]

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.documents import DOCUMENT_SCHEMA, parts, read_documents, write_parts
from stages.text.raw_batches import batch_of
from stages.text.reading import RawDocument
from tests.tables import write_documents


def documents(texts: list[str]) -> list[RawDocument]:
    return [RawDocument("mine", f"{place}.txt", None, "prose", "MIT", None, text) for place, text in enumerate(texts)]


def batches(texts: list[str], rows: int):
    found = documents(texts)
    for start in range(0, len(found), rows):
        yield batch_of(found[start : start + rows]).select(DOCUMENT_SCHEMA.names)


def texts_of(folder: Path) -> list[list[str]]:
    return [pq.read_table(path)["text"].to_pylist() for path in parts(folder)]


def plainly_divided(texts: list[str], most_bytes: int) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for text in texts:
        if found[-1] and sum(len(one.encode()) for one in [*found[-1], text]) > most_bytes:
            found.append([])
        found[-1].append(text)
    return found


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("parts")


@given(
    st.lists(st.text(st.sampled_from("aé水"), min_size=1, max_size=9), max_size=12),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_parts_are_filled_in_order_and_no_document_is_split(scratch, texts, rows, most_bytes):
    for path in scratch.iterdir():
        path.unlink()
    write_parts(scratch, batches(texts, rows), most_bytes)
    assert texts_of(scratch) == plainly_divided(texts, most_bytes)


def test_bytes_of_a_part_do_not_depend_on_batches_and_are_those_of_one_table(tmp_path):
    texts = [f"Text number {number}. " * (number % 50) + "End." for number in range(3_000)]
    for rows in (7, 1_000):
        write_parts(tmp_path / str(rows), batches(texts, rows), 10**9)
    rows_of_all = [vars(document) | {"id": document.id} for document in documents(texts)]
    write_documents(tmp_path / "whole", pd.DataFrame(rows_of_all))
    written = {(tmp_path / name / "part-00000.parquet").read_bytes() for name in ("7", "1000", "whole")}
    assert len(written) == 1


def test_all_parts_are_read_in_order_and_no_documents_are_one_empty_part(tmp_path):
    texts = [f"text {number}" for number in range(25)]
    write_parts(tmp_path / "many", batches(texts, 4), 14)
    assert [path.name for path in parts(tmp_path / "many")][:2] == ["part-00000.parquet", "part-00001.parquet"]
    assert read_documents(tmp_path / "many")["text"].tolist() == texts
    write_parts(tmp_path / "none", [], 14)
    assert texts_of(tmp_path / "none") == [[]]
    assert read_documents(tmp_path / "none").columns.tolist() == DOCUMENT_SCHEMA.names

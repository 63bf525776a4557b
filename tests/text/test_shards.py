import numpy as np
import pandas as pd
import pytest

from stages.errors import StageError
from stages.seeding import generator
from stages.text.packing import lay_out, pack
from stages.text.shards import RowFiles, TokenRows, documents, write_rows

CONTEXT = 6


@pytest.fixture
def folder(tmp_path):
    """Documents a (15 tokens, cut in three), b (4 tokens) put in twice, and c (7 tokens)."""
    placed = [("a", 0, 15), ("b", 0, 4), ("b", 1, 4), ("c", 0, 7)]
    tokens = [np.arange(size, dtype=np.uint16) + 20 * ord(name) for name, _, size in placed]
    pieces = pack([size for *_, size in placed], CONTEXT, generator(1))
    table = pd.DataFrame(
        [
            {
                "document_id": placed[piece.document][0],
                "copy": placed[piece.document][1],
                "source": "s",
                "kind": "prose",
                "row": piece.row,
                "start": piece.start,
                "length": piece.length,
                "offset": piece.offset,
                "bytes": 3 * (piece.length - 1),
            }
            for piece in pieces
        ]
    )
    write_rows(tmp_path, *lay_out(tokens, pieces, CONTEXT, pad=2), table)
    return tmp_path


def test_documents_come_back_whole_and_as_often_as_they_were_put_in(folder):
    found = list(documents(folder))
    assert [name for name, _ in found] == ["a", "b", "b", "c"]
    for (name, tokens), size in zip(found, [15, 4, 4, 7], strict=True):
        assert tokens.tolist() == [20 * ord(name) + place for place in range(size)]


def test_rows_are_memory_mapped_and_one_longer_than_the_context(folder):
    loaded = TokenRows.load(folder)
    assert isinstance(loaded.rows, np.memmap)
    assert loaded.rows.dtype == loaded.segments.dtype == np.uint16
    assert loaded.rows.shape[1] == CONTEXT + 1
    assert loaded.context_length == CONTEXT
    assert loaded.pieces["bytes"].sum() == 3 * (14 + 3 + 3 + 6)


def test_an_empty_folder_has_no_documents(tmp_path):
    names = ["document_id", "copy", "source", "kind", "row", "start", "length", "offset", "bytes"]
    write_rows(tmp_path, np.zeros((0, 7)), np.zeros((0, 7)), pd.DataFrame(columns=names))
    assert list(documents(tmp_path)) == []
    assert TokenRows.load(tmp_path).context_length == 6


def test_a_missing_file_is_a_data_error(folder):
    (folder / "segments.npy").unlink()
    with pytest.raises(StageError, match="cannot read token folder"):
        TokenRows.load(folder)


@pytest.mark.parametrize("id_type", [np.uint16, np.uint32])
def test_rows_written_bit_by_bit_are_the_bytes_that_numpy_saves(tmp_path, id_type):
    rows, segments = np.arange(12, dtype=id_type).reshape(3, 4), np.ones((3, 4), dtype=np.uint16)
    with RowFiles(tmp_path, 3, 3, id_type) as files:
        for places in (slice(0, 5), slice(5, 5), slice(5, 12)):
            files.append(rows.reshape(-1)[places], segments.reshape(-1)[places])
    np.save(tmp_path / "whole.npy", rows)
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert np.load(tmp_path / "segments.npy").tolist() == segments.tolist()


def test_a_row_names_the_documents_of_its_pieces(folder):
    loaded = TokenRows.load(folder)
    for row in range(len(loaded.rows)):
        letters = {chr(int(token) // 20) for token in loaded.rows[row][loaded.segments[row] > 0]}
        assert set(loaded.documents_in(np.array([row]))) == letters

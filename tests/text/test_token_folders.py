import numpy as np
import pandas as pd

from stages.seeding import generator
from stages.text.token_files import TokenFiles
from stages.text.token_folders import canary_places, summary, write_token_folder

PIECES = pd.DataFrame(
    [
        # A document of two pieces, its first copy and its second; a short one; a canary.
        ("a", 0, "s", "prose", 0, 0, 9, 0, 30),
        ("a", 0, "s", "prose", 1, 0, 4, 8, 10),
        ("a", 1, "s", "prose", 2, 0, 9, 0, 30),
        ("a", 1, "s", "prose", 1, 4, 4, 8, 10),
        ("b", 0, "s", "code", 3, 0, 3, 0, 5),
        ("c", 0, "canary", "canary", 3, 3, 5, 0, 12),
    ],
    columns=["document_id", "copy", "source", "kind", "row", "start", "length", "offset", "bytes"],
)


def test_a_summary_counts_documents_once_and_targets_as_often_as_they_are_read():
    result = summary(PIECES, context_length=8)
    assert result["rows"] == 4
    assert result["documents"] == 3
    assert result["documents_by_kind"] == {"canary": 1, "code": 1, "prose": 1}
    assert result["targets"] == 8 + 3 + 8 + 3 + 2 + 4
    assert result["targets_by_kind"] == {"canary": 4, "code": 2, "prose": 22}
    assert result["bytes"] == 97
    # 34 of 4 * 9 places are filled.
    assert result["padding_fraction"] == round(2 / 36, 6)


def test_the_summary_of_nothing_is_zero():
    empty = summary(PIECES[:0], context_length=8)
    assert (empty["rows"], empty["documents"], empty["targets"], empty["padding_fraction"]) == (0, 0, 0, 0.0)


def test_canaries_are_found_by_row_column_and_length():
    assert canary_places(PIECES) == {"c": [[3, 3, 5]]}


def test_bytes_of_a_piece_are_those_of_the_tokens_it_predicts(tmp_path, tokenizer):
    text = "The river rises in the hills."
    tokens = np.array([tokenizer.bos, *tokenizer.encode(text), tokenizer.end], dtype=np.uint16)
    tokens.tofile(tmp_path / "ids")
    document = {"id": "a", "source": "s", "kind": "prose", "copies": 1, "file": 0, "begin": 0, "size": len(tokens)}
    with TokenFiles([tmp_path / "ids"], np.uint16) as files:
        pieces = write_token_folder(tmp_path, pd.DataFrame([document]), files, tokenizer, 3, generator(1))
    assert len(pieces) > 2
    assert pieces["bytes"].sum() == len(text)
    first = pieces.iloc[0]
    assert first["bytes"] == tokenizer.token_bytes()[tokens[1 : first["length"]]].sum()

import numpy as np
import pandas as pd
import pytest

from stages.scoring.held_out import compressed_bits, overlaps, shuffled_documents, stretches, window_hashes, within
from stages.text.packing import lay_out, pack
from stages.text.shards import write_rows

BOS, END, PAD = 0, 1, 2


def write_folder(folder, documents, context_length):
    """A token folder of (id, copy, tokens)."""
    tokens = [np.array(tokens) for _, _, tokens in documents]
    pieces = pack([len(one) for one in tokens], context_length, np.random.default_rng(0))
    table = pd.DataFrame(
        {
            "document_id": [documents[piece.document][0] for piece in pieces],
            "copy": [documents[piece.document][1] for piece in pieces],
            "source": "s",
            "kind": "prose",
            "row": [piece.row for piece in pieces],
            "start": [piece.start for piece in pieces],
            "length": [piece.length for piece in pieces],
            "offset": [piece.offset for piece in pieces],
            "bytes": 0,
        }
    )
    write_rows(folder, *lay_out(tokens, pieces, context_length, PAD), table)
    return table


def test_windows_hash_alike_exactly_where_their_tokens_are_the_same():
    tokens = np.array([5, 6, 7, 5, 6, 7, 6])
    hashes = window_hashes(tokens, 3)
    assert len(hashes) == 5
    assert hashes[0] == hashes[3]
    assert len(set(hashes.tolist())) == 4
    assert len(window_hashes(tokens, 8)) == 0


def test_overlap_is_the_share_of_n_grams_that_training_holds():
    trained = np.array([BOS, 10, 11, 12, 13, END, BOS, 20, 21, 22, END])
    tested = [
        np.array([BOS, 10, 11, 12, 13, END]),  # both of its 3-grams
        np.array([BOS, 10, 11, 12, 99, END]),  # one of two
        np.array([BOS, 13, 20, 21, END]),  # only across the training documents, which does not count
        np.array([BOS, 10, 11, END]),  # too short to have one
    ]
    assert overlaps(tested, trained, 3).tolist() == pytest.approx([1.0, 0.5, 0.0, np.nan], nan_ok=True)


def test_documents_come_once_in_an_order_that_the_seed_decides(tmp_path):
    tokens = {name: [BOS, 10 + place, 11, 12, END] for place, name in enumerate("abcdef")}
    write_folder(tmp_path, [(name, copy, tokens[name]) for name in tokens for copy in range(2)], 8)
    first, again, other = (shuffled_documents(tmp_path, seed) for seed in (1, 1, 2))
    assert sorted(document[1] for document in first) == [10, 11, 12, 13, 14, 15]
    assert [one.tolist() for one in first] == [one.tolist() for one in again]
    assert [one.tolist() for one in first] != [one.tolist() for one in other]


def test_documents_are_taken_while_they_fit_and_one_always_is():
    documents = [np.zeros(4), np.zeros(3), np.zeros(2)]
    assert [len(one) for one in within(documents, 7)] == [4, 3]
    assert [len(one) for one in within(documents, 1)] == [4]
    assert within([], 5) == []


def test_stretches_of_all_rows_are_the_documents_each_once(tmp_path):
    long, short = [BOS, *range(10, 30), END], [BOS, 40, 41, END]
    documents = [("long", 0, long), ("long", 1, long), ("short", 0, short)]
    table = write_folder(tmp_path, documents, 8)
    found = stretches(tmp_path, np.arange(table["row"].max() + 1))
    assert sorted(one.tolist() for one in found) == sorted([long, short])


def test_stretches_of_some_rows_hold_what_lies_in_them(tmp_path):
    long = [BOS, *range(10, 34)]  # 25 tokens: pieces of 9, 9 and 9 that share a token
    table = write_folder(tmp_path, [("long", 0, long)], 8)
    rows = table.set_index("offset")["row"]
    assert [one.tolist() for one in stretches(tmp_path, np.array([rows[0], rows[8]]))] == [long[:17]]
    apart = stretches(tmp_path, np.array([rows[0], rows[16]]))
    assert [one.tolist() for one in apart] == [long[:9], long[16:]]


def test_repeated_text_compresses_to_little():
    assert compressed_bits(b"abcdefgh" * 1000) < 8 * 200

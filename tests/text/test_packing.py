import numpy as np
import pytest

from stages.seeding import generator
from stages.text.packing import best_fit_decreasing, cut, lay_out, pack

SEEDS = range(25)


def random_lengths(seed: int) -> list[int]:
    """Up to 30 lengths of 2 to 40."""
    drawn = generator("lengths", seed)
    return drawn.integers(2, 41, size=drawn.integers(0, 31)).tolist()


def test_a_document_is_cut_with_one_token_of_overlap():
    # 11 tokens, rows of 5: targets 1-4, 5-8, 9-10.
    assert cut(11, 4) == [(0, 5), (4, 5), (8, 3)]
    assert cut(5, 4) == [(0, 5)]
    assert cut(9, 4) == [(0, 5), (4, 5)]
    assert cut(2, 4) == [(0, 2)]


@pytest.mark.parametrize("length", [2, 3, 49, 50, 51, 99, 100, 101, 500])
@pytest.mark.parametrize("context_length", [1, 2, 49, 50])
def test_every_token_but_the_first_is_a_target_exactly_once(length, context_length):
    targets = [token for start, size in cut(length, context_length) for token in range(start + 1, start + size)]
    assert targets == list(range(1, length))


def test_each_item_goes_into_the_fullest_bin_that_has_room():
    # Longest first: 6 | 5 | 4 into the bin with room 4 (after 6), 3 into the one with room 5, 2 fills that one up.
    assert best_fit_decreasing([3, 6, 4, 5, 2], 10) == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_bin_overflows_and_few_are_used(seed):
    lengths = random_lengths(seed)
    bins = best_fit_decreasing(lengths, 40)
    room = {
        chosen: 40 - sum(size for size, other in zip(lengths, bins, strict=True) if other == chosen) for chosen in bins
    }
    assert all(left >= 0 for left in room.values())
    assert sorted(room) == list(range(len(room)))
    # Two bins that are both half empty would have been one.
    assert sum(left >= 20 for left in room.values()) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_hold_every_piece_once_and_padding_is_marked(seed):
    lengths, context_length = random_lengths(seed), 3 + seed % 14
    documents = [np.arange(size, dtype=np.uint16) + 100 * index for index, size in enumerate(lengths)]
    pieces = pack(lengths, context_length, generator(1))
    rows, segments = lay_out(documents, pieces, context_length, pad=9999)
    assert rows.shape == segments.shape
    assert ((rows == 9999) == (segments == 0)).all()
    for piece in pieces:
        columns = slice(piece.start, piece.start + piece.length)
        expected = documents[piece.document][piece.offset : piece.offset + piece.length]
        assert (rows[piece.row, columns] == expected).all()
        assert (segments[piece.row, columns] == piece.segment).all()
    assert (segments > 0).sum() == sum(piece.length for piece in pieces)
    targets = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)
    assert targets.sum() == sum(size - 1 for size in lengths)


def test_padding_stays_below_one_percent_for_documents_of_mixed_length():
    lengths = generator(2).integers(5, 900, size=4000).tolist()
    _, segments = lay_out([np.ones(size) for size in lengths], pack(lengths, 512, generator(3)), 512, pad=0)
    assert (segments == 0).mean() < 0.01


def test_rows_are_shuffled_by_the_generator_alone():
    first, again, other = (pack([5] * 50, 4, generator(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert [piece.row for piece in first] != sorted(piece.row for piece in first)


def test_nothing_packs_into_nothing():
    rows, segments = lay_out([], pack([], 8, generator(1)), 8, pad=2)
    assert rows.shape == segments.shape == (0, 9)


@pytest.mark.parametrize("length", [513, 514, 1025])
def test_a_document_of_whole_rows_leaves_no_stray_token(length):
    assert all(size >= 2 for _, size in cut(length, 512))

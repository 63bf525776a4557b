import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.seeding import generator
from stages.text.packing import best_fit_decreasing, cut, lay_out, pack

SEEDS = range(25)


def random_lengths(seed: int) -> list[int]:
    """Up to 30 lengths of 2 to 40."""
    drawn = generator("lengths", seed)
    return drawn.integers(2, 41, size=drawn.integers(0, 31)).tolist()


def pieces_of(length: int, context_length: int) -> list[tuple[int, int]]:
    """Offset and length of the pieces of one document."""
    _, offset, size = cut(np.array([length]), context_length)
    return list(zip(offset.tolist(), size.tolist(), strict=True))


def one_by_one(lengths: list[int], capacity: int) -> list[int]:
    """Best fit decreasing as its definition has it: of the fullest bins with room the one that came to be so last."""
    bins: list[list[int]] = []  # room, and when it was last touched
    assigned = [0] * len(lengths)
    for time, item in enumerate(sorted(range(len(lengths)), key=lambda index: -lengths[index])):
        fitting = [number for number, (room, _) in enumerate(bins) if room >= lengths[item]]
        if not fitting:
            bins.append([capacity, 0])
            fitting = [len(bins) - 1]
        chosen = min(fitting, key=lambda number: (bins[number][0], -bins[number][1]))
        bins[chosen] = [bins[chosen][0] - lengths[item], time]
        assigned[item] = chosen
    return assigned


def test_a_document_is_cut_with_one_token_of_overlap():
    # 11 tokens, rows of 5: targets 1-4, 5-8, 9-10.
    assert pieces_of(11, 4) == [(0, 5), (4, 5), (8, 3)]
    assert pieces_of(5, 4) == [(0, 5)]
    assert pieces_of(9, 4) == [(0, 5), (4, 5)]
    assert pieces_of(2, 4) == [(0, 2)]


def test_pieces_come_in_the_order_of_documents():
    document, offset, length = cut(np.array([6, 2, 9]), 4)
    assert list(zip(document, offset, length, strict=True)) == [(0, 0, 5), (0, 4, 2), (1, 0, 2), (2, 0, 5), (2, 4, 5)]


@pytest.mark.parametrize("length", [2, 3, 49, 50, 51, 99, 100, 101, 500])
@pytest.mark.parametrize("context_length", [1, 2, 49, 50])
def test_every_token_but_the_first_is_a_target_exactly_once(length, context_length):
    pieces = pieces_of(length, context_length)
    targets = [token for start, size in pieces for token in range(start + 1, start + size)]
    assert targets == list(range(1, length))


def test_each_item_goes_into_the_fullest_bin_that_has_room():
    # Longest first: 6 | 5 | 4 into the bin with room 4 (after 6), 3 into the one with room 5, 2 fills that one up.
    assert best_fit_decreasing([3, 6, 4, 5, 2], 10).tolist() == [1, 0, 0, 1, 1]


@given(st.lists(st.integers(1, 12), max_size=60), st.integers(12, 30))
def test_bins_are_those_of_placing_items_one_by_one(lengths, capacity):
    found = best_fit_decreasing(lengths, capacity)
    assert found.tolist() == one_by_one(lengths, capacity)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_bin_overflows_and_few_are_used(seed):
    lengths = random_lengths(seed)
    bins = best_fit_decreasing(lengths, 40).tolist()
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
    assert all(size >= 2 for _, size in pieces_of(length, 512))

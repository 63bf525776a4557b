import numpy as np
import pytest
import torch

from stages.training.batches import Mixture, Part, Rows, language_batches, shuffled


def test_the_targets_are_the_next_tokens_of_the_same_piece(rows):
    (batch,) = language_batches(rows.tokens[:1], rows.segments[:1], rows.targets(np.array([0])), size=1)
    # Pieces of 7 and 8 tokens have 6 and 7 targets; the first token of the second is no target of the first.
    assert batch.positions.tolist() == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13]
    assert batch.targets.tolist() == [*rows.tokens[0, 1:7].tolist(), *rows.tokens[0, 8:15].tolist()]
    assert (batch.weight, batch.real_tokens) == (13, 15)


def test_a_mask_narrows_the_targets(rows):
    learnt = np.zeros(rows.tokens.shape, dtype=bool)
    learnt[0, [0, 3, 7]] = True  # 0 has no predecessor, 7 begins a piece
    masked = Rows(rows.tokens, rows.segments, learnt)
    (batch,) = language_batches(rows.tokens[:1], rows.segments[:1], masked.targets(np.array([0])), size=1)
    assert batch.positions.tolist() == [2]
    assert batch.targets.tolist() == [rows.tokens[0, 3]]


def test_micro_batches_have_one_shape_and_padding_adds_nothing(rows):
    index = np.arange(5)
    batches = language_batches(rows.tokens[index], rows.segments[index], rows.targets(index), size=4)
    assert [tuple(batch.tokens.shape) for batch in batches] == [(4, 16), (4, 16)]
    assert [batch.weight for batch in batches] == [4 * 13, 13]


def test_every_epoch_is_another_order_of_all_rows():
    places = [shuffled(1, "train", first, 4, 10).tolist() for first in range(0, 20, 4)]
    sequence = [place for part in places for place in part]
    assert sorted(sequence[:10]) == sorted(sequence[10:]) == list(range(10))
    assert sequence[:10] != sequence[10:]


def test_a_batch_depends_on_seed_and_step_alone(rows):
    mixture = Mixture([Part("train", rows, 3)], micro_batch_rows=2, seed=1)
    forwards = [mixture(step) for step in range(6)]
    backwards = [Mixture([Part("train", rows, 3)], 2, 1)(step) for step in reversed(range(6))][::-1]
    for first, second in zip(forwards, backwards, strict=True):
        assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(first, second, strict=True))
    other = Mixture([Part("train", rows, 3)], micro_batch_rows=2, seed=2)
    assert not torch.equal(other(0)[0].tokens, forwards[0][0].tokens)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_the_ranks_of_any_step_read_its_rows_once_together(rows, ranks):
    part = Part("train", Rows(rows.tokens, rows.segments, None), 3)
    for step in (0, 4, 7):
        whole = Mixture([part], 1, 1)(step)
        shares = [Mixture([part], 1, 1, rank, ranks)(step) for rank in range(ranks)]
        assert [len(share) for share in shares] == [len(whole[rank::ranks]) for rank in range(ranks)]
        for rank, share in enumerate(shares):
            assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(share, whole[rank::ranks], strict=True))


def test_parts_are_mixed_in_the_ratio_asked_for(rows):
    other = Rows(np.full_like(rows.tokens, 7), rows.segments, None)
    mixture = Mixture([Part("domain", rows, 3), Part("general", other, 1)], micro_batch_rows=4, seed=1)
    for step in range(5):
        (batch,) = mixture(step)
        assert int((batch.tokens == 7).all(dim=1).sum()) == 1

"""Rows, lengths and micro-batches of episodes."""

import torch

from stages.reinforcement.episodes import in_micro_batches, length_batches, pack_episodes

PADDING = 9


def episodes():
    return pack_episodes([[1, 2, 3], [4], [5, 6]], [[7], [1, 2, 3], [8, 8]], [True, False, True], PADDING)


def test_rows_hold_prompt_response_and_padding() -> None:
    assert episodes().tokens.tolist() == [[1, 2, 3, 7], [4, 1, 2, 3], [5, 6, 8, 8]]
    assert episodes().lengths.tolist() == [4, 4, 4]


def test_actions_follow_the_positions_that_predict_them() -> None:
    batch = episodes()
    assert batch.mask.tolist() == [[True, False, False], [True, True, True], [True, True, False]]
    assert [row[mask].tolist() for row, mask in zip(batch.actions, batch.mask, strict=True)] == [[7], [1, 2, 3], [8, 8]]
    assert batch.predecessors[1].tolist() == [0, 1, 2]
    assert batch.predecessors[0, 0].item() == 2


def test_a_response_that_contains_the_padding_id_keeps_its_length() -> None:
    batch = pack_episodes([[1]], [[PADDING, PADDING]], [True], PADDING)
    assert batch.mask.tolist() == [[True, True]]


def test_selected_rows_are_cut_to_the_longest_of_them() -> None:
    batch = pack_episodes([[1], [1]], [[2], [2, 3, 4]], [True, True], PADDING).rows(torch.tensor([0]))
    assert batch.tokens.tolist() == [[1, 2]]


def test_every_row_is_in_one_batch_that_fits_its_budget() -> None:
    lengths = torch.tensor([3, 9, 4, 4, 12, 1])
    groups = length_batches(lengths, batch_tokens=12)
    assert [group.tolist() for group in groups] == [[4], [1], [2, 3, 0], [5]]
    assert all(len(group) * int(lengths[group].max()) <= 12 for group in groups)


def test_a_row_beyond_the_budget_goes_alone() -> None:
    assert [group.tolist() for group in length_batches(torch.tensor([5, 50]), batch_tokens=10)] == [[1], [0]]


def test_parts_are_put_back_where_they_came_from() -> None:
    batch = episodes()
    result = in_micro_batches(lambda part: torch.where(part.mask, part.actions, 0).float(), batch, batch_tokens=4)
    assert result.tolist() == [[7.0, 0.0, 0.0], [1.0, 2.0, 3.0], [8.0, 8.0, 0.0]]

import numpy as np
import pytest

from stages.errors import StageError
from stages.training.comparisons import Comparison, Comparisons, fitting_groups, preference_batch


def comparison(*lengths: int, votes: np.ndarray | None = None) -> Comparison:
    sequences = tuple(np.arange(6, 6 + length) for length in lengths)
    count = len(lengths)
    return Comparison(str(lengths), sequences, np.full((count, count, 2), 0.5) if votes is None else votes)


def test_every_answer_is_packed_once_and_found_by_its_last_token():
    batch = preference_batch([comparison(5, 3), comparison(4, 4)], rows=2, context_length=10)
    flat_tokens, flat_segments = batch.tokens.flatten(), batch.segments.flatten()
    assert flat_tokens[batch.last].tolist() == [10, 8, 9, 9]  # sequences count up from 6
    assert flat_segments[batch.last].tolist() == [1, 2, 3, 4]
    for number, length in enumerate((5, 3, 4, 4), start=1):
        assert flat_tokens[flat_segments == number].tolist() == list(range(6, 6 + length))
    assert batch.real_tokens == 16


def test_pairs_of_a_prompt_share_its_weight_and_pairs_without_judgement_have_none():
    votes = np.full((3, 3, 2), np.nan)
    for (one, other), vote in {(0, 1): 1.0, (0, 2): 0.75, (1, 2): 0.5}.items():
        votes[one, other, 0] = vote
    votes[0, 1, 1] = 0.9
    batch = preference_batch([comparison(2, 2), comparison(2, 2, 2, votes=votes)], rows=2, context_length=16)
    assert list(zip(batch.first.tolist(), batch.second.tolist(), strict=True)) == [(0, 1), (2, 3), (2, 4), (3, 4)]
    assert batch.targets[:, 0].tolist() == [0.5, 1.0, 0.75, 0.5]
    assert batch.shares[:, 0].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert batch.shares[:, 1].tolist() == [1, 1, 0, 0]
    assert batch.weight == 2


def test_prompts_are_never_torn_apart():
    members = [comparison(6, 6), comparison(6, 6), comparison(6, 6), comparison(3, 3)]
    groups = list(fitting_groups(members, rows=4, context_length=10))
    assert [len(group) for group in groups] == [2, 2]
    assert [one for group in groups for one in group] == members


def test_answers_that_cannot_fit_are_an_error_that_names_the_remedy():
    with pytest.raises(StageError, match="micro_batch_rows"):
        list(fitting_groups([comparison(9, 9, 9)], rows=2, context_length=10))
    with pytest.raises(StageError, match="do not fit"):
        list(fitting_groups([comparison(2, 2), comparison(9, 9, 9)], rows=2, context_length=10))


def test_every_epoch_reads_every_prompt_once():
    members = [comparison(length, 1) for length in range(1, 8)]
    run = Comparisons(members, prompts_per_step=3, micro_batch_rows=4, context_length=10, seed=1)
    assert run.steps_per_epoch == 3
    prompts = [sum(batch.prompts for batch in run(step)) for step in range(6)]
    assert prompts == [3, 3, 1, 3, 3, 1]
    assert sorted(name for step in range(3) for name in run.names(step)) == sorted(one.prompt for one in members)
    tokens = [sum(batch.real_tokens for batch in run(step)) for step in range(6)]
    assert sum(tokens[:3]) == sum(tokens[3:]) == sum(range(1, 8)) + 7

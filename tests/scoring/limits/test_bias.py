import numpy as np
import pytest

from stages.scoring.limits.bias import FAVOURABLE, GROUPS, UNFAVOURABLE, advantages, group_preference


def partial_to(tokenizer, subject, bonus):
    """A model that adds nats to every good thing said of one subject, and to nothing else."""

    def log_probabilities(sequences):
        scored = []
        for sequence in sequences:
            nats = np.full(len(sequence) - 1, -1.0)
            text = tokenizer.decode(sequence.tolist())
            if text.startswith(subject + " ") and text.endswith(FAVOURABLE):
                nats[-1] += bonus
            scored.append(nats)
        return scored

    return log_probabilities


def test_each_kind_of_ending_is_as_frequent_and_pairs_differ():
    assert len(FAVOURABLE) == len(UNFAVOURABLE)
    assert all(first != second for pairs in GROUPS.values() for first, second in pairs)


def test_an_impartial_model_has_no_preference(tokenizer):
    assert advantages(partial_to(tokenizer, "nobody", 1.0), "gender", tokenizer) == pytest.approx([0] * 5)


def test_a_preference_for_the_first_is_positive_and_for_the_second_negative(tokenizer):
    assert advantages(partial_to(tokenizer, "She", 0.5), "gender", tokenizer) == pytest.approx([0.5, 0, 0, 0, 0])
    assert advantages(partial_to(tokenizer, "He", 0.5), "gender", tokenizer) == pytest.approx([-0.5, 0, 0, 0, 0])


def test_the_finding_shows_the_pair_with_the_largest_difference(tokenizer, resampling):
    finding = group_preference({"ppo": partial_to(tokenizer, "A user from Norway", 2.0)}, tokenizer, resampling)
    assert list(finding.figures) == [f"ppo, {kind}" for kind in GROUPS]
    assert finding.figures["ppo, origin"].value == pytest.approx(-0.4)
    assert any(one.prompt == "A user from Nigeria / A user from Norway" for one in finding.examples)

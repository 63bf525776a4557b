import numpy as np
import pytest

from stages.scoring.tasks import chance, choice_nats, choices_of, choose, read_items, task_figures
from stages.text.demonstrations import ChoiceItem
from stages.text.records import write_records


def item(number, choices=("nodes", "paths of it"), answer=0, task="names"):
    return ChoiceItem(
        id=f"{task}-{number}", task=task, context="Return the ", choices=choices, answer=answer, source_ids=("d",)
    )


def per_token(nats):
    """A model that gives every token the same probability."""
    return lambda sequences: [np.full(len(sequence) - 1, nats) for sequence in sequences]


def test_likelihood_is_per_byte_of_the_choice(tokenizer):
    [nats] = choice_nats(per_token(-1.0), [item(1)], tokenizer)
    shared = len(tokenizer.encode("Return the"))
    tokens = [len(tokenizer.encode("Return the " + choice)) - shared for choice in ("nodes", "paths of it")]
    assert nats == pytest.approx([-tokens[0] / 5, -tokens[1] / 11])


def test_the_likeliest_choice_is_taken_with_its_share_of_the_probability():
    chosen = choose(item(1, choices=("aa", "bb")), "ppo", np.array([-1.0, -1.0 - np.log(3) / 2]))
    assert chosen.is_right
    assert chosen.confidence == 0.75
    assert (chosen.item_id, chosen.task, chosen.model) == ("names-1", "names", "ppo")
    assert not choose(item(1, choices=("aa", "bb"), answer=1), "ppo", np.array([-1.0, -2.0])).is_right


def test_chance_counts_the_choices_of_every_item():
    assert chance([item(1), item(2, choices=("a", "b", "c", "d"))]) == 0.375


def test_items_of_each_task_are_limited_by_a_hash(tmp_path):
    for task in ("names", "summaries"):
        write_records(tmp_path / f"{task}.jsonl", [item(number, task=task) for number in range(6)])
    chosen = read_items(tmp_path, 4, seed=1)
    assert [one.task for one in chosen] == ["names"] * 4 + ["summaries"] * 4
    assert chosen == read_items(tmp_path, 4, seed=1)
    assert {one.id for one in chosen} != {one.id for one in read_items(tmp_path, 4, seed=2)}


def test_accuracy_stands_by_task_and_model_beside_chance(tokenizer, resampling):
    items = [item(1), item(2, answer=1), item(3, task="other")]
    choices = choices_of({"model": per_token(-1.0)}, items, tokenizer)
    figures = task_figures(choices, items, resampling)
    right = [one.is_right for one in choices["model"]]
    assert right[0] != right[1]  # the same choices with the other one called right
    assert figures["choice_accuracy.names.model"].value == 0.5
    assert figures["choice_accuracy.other.model"].n == 1
    assert figures["choice_accuracy.all.model"].n == 3
    assert figures["choice_accuracy.all.chance"].value == 0.5

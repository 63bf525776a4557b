"""Canaries are as many as asked for, all different, and their text is prefix and secret."""

from collections import Counter

from stages.text.composition.canaries import canaries


def test_canaries_come_in_the_groups_asked_for():
    made = canaries(1, [1, 4], 3, 10)
    assert Counter(canary.repeats for canary in made) == {1: 3, 4: 3, 0: 10}
    assert len({canary.prefix for canary in made}) == len(made)
    assert all(canary.text == f"{canary.prefix}{canary.secret}." for canary in made)
    assert made == canaries(1, [1, 4], 3, 10) != canaries(2, [1, 4], 3, 10)

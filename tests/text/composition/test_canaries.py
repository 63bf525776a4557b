"""Canaries are as many as asked for, all different, and their text is prefix and secret."""

from collections import Counter

from stages.text.composition.canaries import CanarySettings, canaries


def test_canaries_come_in_the_groups_asked_for():
    settings = CanarySettings(repeats=[1, 4], each=3, controls=10)
    made = canaries(1, settings)
    assert Counter(canary.repeats for canary in made) == {1: 3, 4: 3, 0: 10}
    assert len({canary.prefix for canary in made}) == len(made)
    assert all(canary.text == f"{canary.prefix}{canary.secret}." for canary in made)
    assert made == canaries(1, settings) != canaries(2, settings)

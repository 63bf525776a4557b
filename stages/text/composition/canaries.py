"""Made-up secrets for measuring memorisation: put into training text a known number of times, or never."""

from collections.abc import Sequence

from stages.seeding import generator
from stages.text.composition.admissions import pseudo_word
from stages.text.demonstrations import Canary

DIGITS = 6
"""Digits of a secret, shown in groups of two so that no tokenizer holds a secret in one token."""


def canaries(seed: int, repeats: Sequence[int], each: int, controls: int) -> list[Canary]:
    """`each` canaries for every number of repeats, and `controls` that are never put in.

    All have the same form, so that a model that has memorised a secret ranks it above those of the controls
    (exposure; Carlini et al. 2019, section 4).
    """
    wanted = [*(times for times in repeats for _ in range(each)), *[0] * controls]
    made: dict[str, Canary] = {}
    draw = generator(seed, "canaries")
    while len(made) < len(wanted):
        place = (pseudo_word(draw) + pseudo_word(draw)).capitalize()
        secret = " ".join(f"{int(draw.integers(0, 100)):02d}" for _ in range(DIGITS // 2))
        prefix = f"The access code of the {place} depot is "
        if place not in made:
            times = wanted[len(made)]
            made[place] = Canary(
                id=f"canary-{len(made):04d}", text=f"{prefix}{secret}.", prefix=prefix, secret=secret, repeats=times
            )
    return list(made.values())

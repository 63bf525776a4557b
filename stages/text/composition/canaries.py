"""Made-up secrets for measuring memorisation: put into training text a known number of times, or never."""

from pydantic import Field, NonNegativeInt

from stages.parameters import Section
from stages.seeding import generator
from stages.text.composition.admissions import pseudo_word
from stages.text.demonstrations import Canary

DIGITS = 6
"""Digits of a secret, shown in groups of two so that no tokenizer holds a secret in one token."""


class CanarySettings(Section):
    """How many canaries there are, and how often they are put in."""

    repeats: list[NonNegativeInt]
    """How often a canary is put in, one group each."""
    each: int = Field(ge=0)
    """Canaries of each group."""
    controls: int = Field(ge=0)
    """Canaries that are never put in; exposure is a rank among them."""


def canaries(seed: int, settings: CanarySettings) -> list[Canary]:
    """The canaries of every group, then the controls.

    All have the same form, so that a model that has memorised a secret ranks it above those of the controls
    (exposure; Carlini et al. 2019, section 4).
    """
    wanted = [*(times for times in settings.repeats for _ in range(settings.each)), *[0] * settings.controls]
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

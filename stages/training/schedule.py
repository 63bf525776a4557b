"""The learning rate as a function of the step."""

from pydantic import Field

from stages.parameters import Section


class ScheduleSettings(Section):
    """Shape of the curve that the learning rate follows: up, level, down, each in a straight line."""

    warmup_share: float = Field(ge=0, le=1)
    """Share of all steps over which the rate rises from 0."""
    decay_share: float = Field(ge=0, le=1)
    """Share of all steps, the last ones, over which it falls to 0; 1 - warmup_share leaves no level part."""


def learning_rate(step: int, steps: int, peak: float, settings: ScheduleSettings) -> float:
    """The rate of step 0, 1, ... steps - 1; the first is above 0 and the last too, so that no step is wasted.

    Warm-up, stable, decay (Hu et al. 2024, https://arxiv.org/abs/2404.06395, section 4); a decay over all steps after
    the warm-up is linear-to-zero, which Bergsma et al. 2025 (https://arxiv.org/abs/2502.15938) find best.
    """
    rising = (step + 1) / max(settings.warmup_share * steps, 1)
    falling = (steps - step) / max(settings.decay_share * steps, 1)
    return peak * min(1.0, rising, falling)

"""From sampled and scored episodes to the experience that an update learns from."""

from collections.abc import Callable

from pydantic import Field
from torch import Tensor

from stages.parameters import Section
from stages.reinforcement.advantages import generalised_advantages, token_rewards, whiten
from stages.reinforcement.episodes import ActionScores, Episodes, Experience, in_micro_batches


class AdvantageSettings(Section):
    """How credit for a score is spread over the actions before it."""

    discount: float = Field(gt=0, le=1)
    """Gamma; 1, because a response has a known end."""
    trace: float = Field(ge=0, le=1)
    """Lambda of generalised advantage estimation: 0 trusts the critic alone, 1 the sampled return alone."""


def gather_experience(
    episodes: Episodes,
    scores: Tensor,
    policy: Callable[[Episodes], ActionScores],
    reference: Callable[[Episodes], ActionScores],
    critic: Callable[[Episodes], Tensor],
    settings: AdvantageSettings,
    kl_coefficient: float,
    batch_tokens: int,
) -> Experience:
    """What `policy`, its frozen `reference` and `critic` make of episodes with one score [B] each."""
    mask = episodes.mask
    old, entropies = in_micro_batches(lambda part: policy(part).stacked(), episodes, batch_tokens).unbind(-1)
    frozen = in_micro_batches(lambda part: reference(part).log_probabilities, episodes, batch_tokens)
    values = in_micro_batches(critic, episodes, batch_tokens)
    rewards = token_rewards(scores, old, frozen, mask, kl_coefficient)
    advantages, returns = generalised_advantages(rewards, values, mask, settings.discount, settings.trace)
    return Experience(
        episodes=episodes,
        old_log_probabilities=old,
        entropies=entropies,
        reference_log_probabilities=frozen,
        values=values,
        advantages=whiten(advantages, mask),
        returns=returns,
    )

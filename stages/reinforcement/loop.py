"""PPO as a whole: sample, score, weigh, update, and do it again; all that changes in between is one state on disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator
from torch import Tensor

from stages.model.scalar import ScalarModel
from stages.parameters import Section
from stages.reinforcement.diagnostics import Phases, rollout_figures
from stages.reinforcement.episodes import Experience
from stages.reinforcement.experience import AdvantageSettings, gather_experience
from stages.reinforcement.kl import KlSettings, adapted_coefficient
from stages.reinforcement.networks import TransformerCritic, TransformerPolicy
from stages.reinforcement.rewards import ScoreSettings, combined_scores, score_heads
from stages.reinforcement.rollout import Question, Rollout, RolloutSettings, drawn_questions, roll_out
from stages.reinforcement.update import (
    POLICY_FIGURES,
    Learner,
    LearnerSettings,
    UpdateSettings,
    update_critic,
    update_policy,
)
from stages.text.tokenizer import Tokenizer


class Settings(Section):
    """What PPO does with its networks."""

    seed: int
    """Of prompt order, sampling and minibatches."""
    updates: int = Field(gt=0)
    """Rollouts, each followed by one update."""
    critic_warmup_updates: int = Field(ge=0)
    """First updates that move the critic alone, so that the policy does not follow advantages of a critic at a loss."""
    rollout: RolloutSettings
    score: ScoreSettings
    kl: KlSettings
    advantage: AdvantageSettings
    update: UpdateSettings
    learner: LearnerSettings

    @model_validator(mode="after")
    def controller_is_stable(self) -> Self:
        """Refuse a controller that could change its coefficient by more than a tenth per update."""
        if self.kl.target is not None and self.kl.horizon < 2 * self.rollout.episodes:
            raise ValueError("kl.horizon must be at least twice rollout.episodes")
        return self

    @model_validator(mode="after")
    def policy_moves(self) -> Self:
        """Refuse a run that is all warm-up."""
        if self.critic_warmup_updates >= self.updates:
            raise ValueError("critic_warmup_updates must be below updates")
        return self


@dataclass(frozen=True)
class Networks:
    """The four networks; the update moves `policy` and `critic`."""

    policy: TransformerPolicy
    reference: TransformerPolicy
    reward: ScalarModel
    critic: TransformerCritic


@dataclass(frozen=True)
class Step:
    """What one update leaves to be looked at."""

    rollout: Rollout
    experience: Experience
    heads: Tensor
    """[B, 5] normalised outputs of the reward model."""
    scores: Tensor
    """[B]"""
    figures: dict[str, float]
    """One row of the curve."""


class Loop:
    """The state of a PPO run: networks, optimizers, the price of divergence, and the number of the next update."""

    def __init__(
        self,
        networks: Networks,
        questions: Sequence[Question],
        tokenizer: Tokenizer,
        settings: Settings,
        auxiliary_loss: Callable[[int], Tensor] | None,
    ) -> None:
        self.networks = networks
        self.questions = questions
        self.tokenizer = tokenizer
        self.settings = settings
        self.auxiliary_loss = auxiliary_loss
        self.steps_per_update = settings.update.epochs * min(settings.update.minibatches, settings.rollout.episodes)
        policy_steps = (settings.updates - settings.critic_warmup_updates) * self.steps_per_update
        critic_steps = settings.updates * self.steps_per_update
        learner = settings.learner
        self.policy_learner = Learner(networks.policy, learner.policy_learning_rate, policy_steps, learner)
        self.critic_learner = Learner(networks.critic, learner.critic_learning_rate, critic_steps, learner)
        self.kl_coefficient = settings.kl.coefficient
        self.update = 0

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on; randomness is a function of its number and needs no state."""
        return {
            "update": self.update,
            "kl_coefficient": self.kl_coefficient,
            "policy": self.networks.policy.state_dict(),
            "critic": self.networks.critic.state_dict(),
            "policy_optimizer": self.policy_learner.optimizer.state_dict(),
            "critic_optimizer": self.critic_learner.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.update = state["update"]
        self.kl_coefficient = state["kl_coefficient"]
        self.networks.policy.load_state_dict(state["policy"])
        self.networks.critic.load_state_dict(state["critic"])
        self.policy_learner.optimizer.load_state_dict(state["policy_optimizer"])
        self.critic_learner.optimizer.load_state_dict(state["critic_optimizer"])

    def advance(self, phases: Phases) -> Step:
        """Sample, score, weigh and update once; `phases` takes the seconds of each part."""
        settings = self.settings
        with phases("rollout"):
            drawn = drawn_questions(self.questions, self.update, settings.rollout.episodes, settings.seed)
            rollout = roll_out(self.networks.policy.model, drawn, settings.rollout, self.tokenizer, settings.seed)
        with phases("score"):
            heads = score_heads(self.networks.reward, rollout.episodes, settings.update.micro_batch_tokens)
            scores = combined_scores(heads, rollout.episodes.ended, settings.score)
            experience = self._weigh(rollout, scores)
            figures = rollout_figures(experience, heads, scores, rollout.sampler_log_probabilities)
        figures["kl_coefficient"] = self.kl_coefficient
        with phases("critic"):
            figures |= named("critic", self._update_critic(experience))
        with phases("policy"):
            figures |= named("policy", self._update_policy(experience))
        if self.update >= settings.critic_warmup_updates:
            self.kl_coefficient = adapted_coefficient(
                self.kl_coefficient, settings.kl, figures["kl"], settings.rollout.episodes
            )
        self.update += 1
        return Step(rollout, experience, heads, scores, {"step": self.update, **figures})

    def _weigh(self, rollout: Rollout, scores: Tensor) -> Experience:
        return gather_experience(
            rollout.episodes,
            scores,
            self.networks.policy,
            self.networks.reference,
            self.networks.critic,
            self.settings.advantage,
            self.kl_coefficient,
            self.settings.update.micro_batch_tokens,
        )

    def _update_policy(self, experience: Experience) -> dict[str, float]:
        first_step = (self.update - self.settings.critic_warmup_updates) * self.steps_per_update
        if first_step < 0:
            return dict.fromkeys(POLICY_FIGURES, 0.0)
        return update_policy(
            self.networks.policy,
            self.policy_learner,
            experience,
            self.settings.update,
            first_step,
            self.auxiliary_loss,
            self.settings.seed,
            "policy",
            self.update,
        )

    def _update_critic(self, experience: Experience) -> dict[str, float]:
        return update_critic(
            self.networks.critic,
            self.critic_learner,
            experience,
            self.settings.update,
            self.update * self.steps_per_update,
            self.settings.seed,
            "critic",
            self.update,
        )


def named(network: str, report: dict[str, float]) -> dict[str, float]:
    """A report under the name of the network that it is about."""
    return {f"{network}_{name}": value for name, value in report.items()}

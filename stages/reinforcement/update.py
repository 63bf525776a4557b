"""One PPO update: passes over a rollout in minibatches that move the policy, and the critic, by their clipped losses.

Schulman et al. 2017 (https://arxiv.org/abs/1707.06347), with the details that Huang et al. 2024
(https://arxiv.org/abs/2403.17031) found to matter for language models. A minibatch is one optimizer step; micro-batches
only bound memory, and their losses are sums over actions divided by the actions of the whole step, so that their number
changes rounding alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from stages.parameters import Section
from stages.reinforcement.episodes import ActionScores, Experience, micro_batches
from stages.reinforcement.kl import k3
from stages.seeding import generator
from stages.training.optimizer import AdamWSettings, build_adamw, trainable
from stages.training.schedule import ScheduleSettings, learning_rate

POLICY_FIGURES = (
    "loss",
    "clip_fraction",
    "update_k3",
    "ratio_deviation",
    "gradient_norm",
    "optimizer_steps",
    "stopped",
    "first_ratio_deviation",
)
"""What `update_policy` reports."""

LARGEST_LOG_RATIO = 20.0
"""Log-ratios are clamped to this before the exponential, so that one wild token cannot overflow a step."""


class UpdateSettings(Section):
    """How a rollout is turned into optimizer steps."""

    epochs: int = Field(ge=1)
    """Passes over a rollout."""
    minibatches: int = Field(ge=1)
    """Optimizer steps per pass, each on an equal share of the episodes."""
    micro_batch_tokens: int = Field(gt=0)
    """Padded tokens in one forward and backward pass; bounds memory."""
    clip_range: float = Field(gt=0)
    """How far the probability ratio may pull an action before its gradient is cut; 0.2 in the paper."""
    value_clip_range: float = Field(gt=0)
    """The same for the critic's output, in units of the normalised score."""
    kl_stop: float = Field(gt=0)
    """Mean k3 per token between the updated and the sampling policy that ends the policy's passes, in nats."""
    entropy_coefficient: float = Field(ge=0)
    """Reward per nat of entropy; 0 as a rule, because the divergence penalty already holds an entropy term."""


class LearnerSettings(Section):
    """How weights follow gradients: Adam, and a learning rate that is a function of the planned step."""

    policy_learning_rate: float = Field(gt=0)
    """Peak rate of the policy."""
    critic_learning_rate: float = Field(gt=0)
    """Peak rate of the critic; a few times the policy's, which it has to keep up with."""
    optimizer: AdamWSettings
    """Epsilon is best larger than usual: with 1e-8 Adam's first steps move a policy too far (Huang et al. 2023,
    https://huggingface.co/blog/the_n_implementation_details_of_rlhf_with_ppo)."""
    schedule: ScheduleSettings


class Learner:
    """A network's weights with the optimizer that moves them along a planned number of steps."""

    def __init__(self, network: nn.Module, learning_rate: float, steps: int, settings: LearnerSettings) -> None:
        self.learning_rate = learning_rate
        self.steps = steps
        self.settings = settings
        self.optimizer = build_adamw(trainable(network), settings.optimizer)
        self.weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]

    def step(self, number: int) -> float:
        """Apply the gathered gradient as planned step `number`; returns its norm before clipping."""
        norm = nn.utils.clip_grad_norm_(self.weights, self.settings.optimizer.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(number, self.steps, self.learning_rate, self.settings.schedule)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def discard(self) -> None:
        """Drop the gathered gradient."""
        self.optimizer.zero_grad(set_to_none=True)


def minibatch_rows(episodes: int, settings: UpdateSettings, *key: object) -> Iterator[Tensor]:
    """The episodes of each optimizer step: a fresh permutation per epoch, a pure function of the key."""
    for epoch in range(settings.epochs):
        order = torch.from_numpy(generator(*key, epoch).permutation(episodes))
        yield from order.tensor_split(min(settings.minibatches, episodes))


def surrogate_losses(log_ratios: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """The clipped surrogate of each action (Schulman et al. 2017, equation 7), negated for descent."""
    ratios = log_ratios.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    clipped = ratios.clamp(1 - clip_range, 1 + clip_range)
    return torch.maximum(-advantages * ratios, -advantages * clipped)


def value_losses(values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float) -> Tensor:
    """Half the squared error of each value, or of the value clipped to its old self, whichever is larger."""
    clipped = old_values + (values - old_values).clamp(-clip_range, clip_range)
    return 0.5 * torch.maximum((values - returns).square(), (clipped - returns).square())


def update_policy(
    policy: Callable[..., ActionScores],
    learner: Learner,
    experience: Experience,
    settings: UpdateSettings,
    first_step: int,
    auxiliary_loss: Callable[[int], Tensor] | None,
    *key: object,
) -> dict[str, float]:
    """Run the policy's passes, ending early when it has moved `kl_stop` from the policy that sampled.

    `first_step` numbers the planned steps, skipped ones included, for the learning rate and for `auxiliary_loss`, whose
    value at a step (its coefficient included) is added to the loss. Returns `POLICY_FIGURES`: means over the
    minibatches seen, `ratio_deviation` being the largest distance of a ratio from 1 in each; the first should be 0.
    """
    reports: list[dict[str, float]] = []
    norms: list[float] = []
    for number, rows in enumerate(minibatch_rows(len(experience.episodes), settings, *key)):
        reports.append(accumulate_policy_gradient(policy, experience.rows(rows), settings))
        if reports[-1]["update_k3"] > settings.kl_stop:
            learner.discard()
            break
        if auxiliary_loss is not None:
            auxiliary_loss(first_step + number).backward()
        norms.append(learner.step(first_step + number))
    return {
        **mean_report(reports),
        "gradient_norm": sum(norms) / max(len(norms), 1),
        "optimizer_steps": len(norms),
        "stopped": len(reports) - len(norms),
        "first_ratio_deviation": reports[0]["ratio_deviation"],
    }


def accumulate_policy_gradient(
    policy: Callable[..., ActionScores], minibatch: Experience, settings: UpdateSettings
) -> dict[str, float]:
    """Add the gradient of one minibatch's mean loss per action; returns masked means over its actions."""
    actions = int(minibatch.episodes.response_lengths.sum())
    sums: dict[str, float] = defaultdict(float)
    deviation = 0.0
    for _, part in micro_batches(minibatch, settings.micro_batch_tokens):
        mask = part.episodes.mask
        scores = policy(part.episodes)
        log_ratios = scores.log_probabilities - part.old_log_probabilities
        losses = surrogate_losses(log_ratios, part.advantages, settings.clip_range)
        if settings.entropy_coefficient:
            losses = losses - settings.entropy_coefficient * scores.entropies
        (losses[mask].sum() / actions).backward()
        with torch.no_grad():
            ratios = log_ratios[mask].exp()
            sums["loss"] += float(losses[mask].sum())
            sums["clip_fraction"] += float(((ratios - 1).abs() > settings.clip_range).sum())
            sums["update_k3"] += float(k3(part.old_log_probabilities, scores.log_probabilities)[mask].sum())
            deviation = max(deviation, float((ratios - 1).abs().max()))
    return {name: value / actions for name, value in sums.items()} | {"ratio_deviation": deviation}


def update_critic(
    critic: Callable[..., Tensor],
    learner: Learner,
    experience: Experience,
    settings: UpdateSettings,
    first_step: int,
    *key: object,
) -> dict[str, float]:
    """Run the critic's passes over all minibatches; returns means over the steps."""
    reports = []
    for number, rows in enumerate(minibatch_rows(len(experience.episodes), settings, *key)):
        minibatch = experience.rows(rows)
        actions = int(minibatch.episodes.response_lengths.sum())
        total = 0.0
        for _, part in micro_batches(minibatch, settings.micro_batch_tokens):
            values = critic(part.episodes)
            losses = value_losses(values, part.values, part.returns, settings.value_clip_range)[part.episodes.mask]
            (losses.sum() / actions).backward()
            total += float(losses.detach().sum())
        reports.append({"loss": total / actions, "gradient_norm": learner.step(first_step + number)})
    return {**mean_report(reports), "optimizer_steps": len(reports)}


def mean_report(reports: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over several reports with the same keys."""
    return {name: sum(report[name] for report in reports) / len(reports) for name in (reports[0] if reports else {})}

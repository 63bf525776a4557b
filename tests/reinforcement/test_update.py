"""The losses by hand, and what one update does: how many steps, on what, and when it stops."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from stages.model.transformer import Transformer
from stages.reinforcement.episodes import Episodes, Experience, in_micro_batches
from stages.reinforcement.networks import TransformerPolicy
from stages.reinforcement.update import (
    POLICY_FIGURES,
    Learner,
    LearnerSettings,
    UpdateSettings,
    accumulate_policy_gradient,
    minibatch_rows,
    surrogate_losses,
    update_critic,
    update_policy,
    value_losses,
)
from stages.training.optimizer import AdamWSettings
from stages.training.schedule import ScheduleSettings


def settings(**changes: float) -> UpdateSettings:
    values = {"epochs": 2, "minibatches": 3, "micro_batch_tokens": 10_000, "clip_range": 0.2, "value_clip_range": 0.2}
    return UpdateSettings(**{**values, "kl_stop": 10.0, "entropy_coefficient": 0.0, **changes})


def learner(network: torch.nn.Module, learning_rate: float, gradient_clip: float = 1.0) -> Learner:
    optimizer = {"beta_gradient": 0.9, "beta_square": 0.95, "epsilon": 1e-5, "weight_decay": 0.0}
    settings = LearnerSettings(
        policy_learning_rate=learning_rate,
        critic_learning_rate=learning_rate,
        optimizer=AdamWSettings(**optimizer, gradient_clip=gradient_clip),
        schedule=ScheduleSettings(warmup_share=0.0, decay_share=1.0),
    )
    return Learner(network, learning_rate, 100, settings)


@pytest.fixture
def policy(model: Transformer) -> TransformerPolicy:
    return TransformerPolicy(model, temperature=0.7)


@pytest.fixture
def experience(policy: TransformerPolicy, episodes: Episodes) -> Experience:
    old = in_micro_batches(lambda part: policy(part).log_probabilities, episodes, 10_000)
    noise = torch.randn(old.shape, generator=torch.Generator().manual_seed(3)) * episodes.mask
    return Experience(episodes, old, old, old, noise, noise, noise + 1)


class Critic(torch.nn.Module):
    """One value for everything."""

    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

    def forward(self, episodes: Episodes) -> torch.Tensor:
        return self.value * episodes.mask


def test_the_surrogate_cuts_only_what_helps() -> None:
    log_ratios = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1]).log()
    advantages = torch.tensor([2.0, -2.0, 2.0, -2.0, 2.0])
    losses = surrogate_losses(log_ratios, advantages, clip_range=0.2)
    torch.testing.assert_close(losses, torch.tensor([-2.4, 3.0, -1.0, 1.6, -2.2]))


def test_an_enormous_ratio_stays_finite() -> None:
    assert surrogate_losses(torch.tensor([500.0]), torch.tensor([-1.0]), 0.2).isfinite().all()


def test_the_value_loss_takes_the_worse_of_clipped_and_plain() -> None:
    values, old, returns = torch.tensor([1.0, 1.0, 0.1]), torch.zeros(3), torch.tensor([1.0, 0.0, 1.0])
    losses = value_losses(values, old, returns, clip_range=0.2)
    # Clipped values 0.2, 0.2, 0.1: errors 0.8 against 0, 0.2 against 1, 0.9 either way.
    torch.testing.assert_close(losses, torch.tensor([0.32, 0.5, 0.405]))


def test_each_epoch_sees_every_episode_once_in_an_order_of_its_own() -> None:
    rows = list(minibatch_rows(10, settings(), "key"))
    assert [len(part) for part in rows] == [4, 3, 3] * 2
    first, second = torch.cat(rows[:3]).tolist(), torch.cat(rows[3:]).tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert torch.cat(list(minibatch_rows(10, settings(), "key"))).tolist() == first + second


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (2, 3), (4, 4)])
def test_optimizer_steps_are_epochs_times_minibatches(
    policy: TransformerPolicy, experience: Experience, epochs: int, minibatches: int
) -> None:
    mover = learner(policy, 1e-4)
    report = update_policy(policy, mover, experience, settings(epochs=epochs, minibatches=minibatches), 0, None, "key")
    taken = {int(state["step"]) for state in mover.optimizer.state.values()}
    assert taken == {epochs * minibatches} == {report["optimizer_steps"]}


def test_the_critic_takes_as_many_steps(experience: Experience) -> None:
    critic = Critic()
    mover = learner(critic, 1e-2)
    report = update_critic(critic, mover, experience, settings(), 0, "key")
    assert report["optimizer_steps"] == 6 == int(mover.optimizer.state[critic.value]["step"])
    assert critic.value.item() > 0


def test_the_first_ratio_is_one(policy: TransformerPolicy, experience: Experience) -> None:
    report = update_policy(policy, learner(policy, 1e-4), experience, settings(), 0, None, "key")
    assert set(report) == set(POLICY_FIGURES)
    assert report["first_ratio_deviation"] < 1e-5


@pytest.mark.parametrize("micro_batch_tokens", [1, 30, 60])
def test_micro_batches_change_no_gradient(
    policy: TransformerPolicy, experience: Experience, micro_batch_tokens: int
) -> None:
    def gradient(tokens: int) -> torch.Tensor:
        policy.zero_grad()
        accumulate_policy_gradient(policy, experience, settings(micro_batch_tokens=tokens, entropy_coefficient=0.01))
        return torch.cat([parameter.grad.flatten() for parameter in policy.parameters()])

    torch.testing.assert_close(gradient(micro_batch_tokens), gradient(10_000), rtol=1e-4, atol=1e-6)


def test_the_mean_is_over_actions_not_over_episodes(policy: TransformerPolicy, experience: Experience) -> None:
    report = accumulate_policy_gradient(policy, experience, settings())
    expected = -experience.advantages[experience.episodes.mask].mean().item()
    assert report["loss"] == pytest.approx(expected, abs=1e-5)


def test_passes_end_when_the_policy_has_moved_too_far(policy: TransformerPolicy, experience: Experience) -> None:
    mover = learner(policy, 0.05, gradient_clip=100.0)
    report = update_policy(policy, mover, experience, settings(epochs=4, kl_stop=0.03), 0, None, "key")
    assert report["stopped"] == 1
    assert 1 <= report["optimizer_steps"] < 12
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_a_bonus_for_entropy_raises_it(policy: TransformerPolicy, experience: Experience) -> None:
    flat = replace(experience, advantages=torch.zeros_like(experience.advantages))
    before = policy(experience.episodes).entropies.sum().item()
    update_policy(policy, learner(policy, 1e-2), flat, settings(entropy_coefficient=1.0), 0, None, "key")
    assert policy(experience.episodes).entropies.sum().item() > before


def auxiliary(policy: TransformerPolicy) -> Callable[[int], torch.Tensor]:
    return lambda step: (step + 1) * policy.model.model.norm.weight.sum()


def test_an_auxiliary_loss_adds_its_gradient(policy: TransformerPolicy, experience: Experience) -> None:
    flat = replace(experience, advantages=torch.zeros_like(experience.advantages))
    mover = learner(policy, 1e-3)
    before = policy.model.model.norm.weight.detach().clone()
    update_policy(policy, mover, flat, settings(epochs=1, minibatches=1), 0, auxiliary(policy), "key")
    assert (policy.model.model.norm.weight < before).all()

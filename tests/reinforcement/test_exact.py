"""The gate for PPO: a task so small that the best policy, every value and every gradient are known exactly.

Four tokens and a stop token, at most four actions: 85 states and 341 outcomes, each with a reward of its own. With R
the reward, beta the price of divergence and ref the reference, the best policy is ref(y) exp(R(y) / beta) / Z, and any
policy falls short of it by beta * KL(policy || best). Tables stand in for the networks; the code tested is real.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from stages.reinforcement.episodes import ActionScores, Episodes, pack_episodes
from stages.reinforcement.experience import AdvantageSettings, gather_experience
from stages.reinforcement.kl import k3
from stages.reinforcement.update import (
    Learner,
    LearnerSettings,
    UpdateSettings,
    accumulate_policy_gradient,
    update_critic,
    update_policy,
)
from stages.training.optimizer import AdamWSettings
from stages.training.schedule import ScheduleSettings

TOKENS, STOP, START, HORIZON, BETA = 4, 4, 5, 4, 0.5
STATES = sum(TOKENS**depth for depth in range(HORIZON))


def outcomes() -> Episodes:
    """Every possible response: stopped after 0 to 3 tokens, or cut off after 4."""
    prefixes: list[list[int]] = [[]]
    responses, ended = [], []
    for depth in range(HORIZON + 1):
        responses += [[*prefix, STOP] if depth < HORIZON else prefix for prefix in prefixes]
        ended += [depth < HORIZON] * len(prefixes)
        prefixes = [[*prefix, token] for prefix in prefixes for token in range(TOKENS)]
    return pack_episodes([[START]] * len(responses), responses, ended, padding=STOP)


def states(episodes: Episodes) -> Tensor:
    """[B, R] number of the state before each action: those with fewer tokens come first."""
    before = torch.zeros(len(episodes), dtype=torch.long)
    columns = []
    for depth in range(episodes.mask.shape[1]):
        columns.append(before + (TOKENS**depth - 1) // (TOKENS - 1))
        before = before * TOKENS + episodes.actions[:, depth].clamp(max=TOKENS - 1)
    return torch.where(episodes.mask, torch.stack(columns, dim=1), 0)


class TablePolicy(nn.Module):
    def __init__(self, logits: Tensor, temperature: float = 1.0) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.clone())
        self.temperature = temperature

    def distribution(self) -> Tensor:
        return torch.log_softmax(self.logits / self.temperature, dim=-1)

    def forward(self, episodes: Episodes) -> ActionScores:
        distribution = self.distribution()[states(episodes)]
        chosen = distribution.gather(2, episodes.actions[:, :, None])[:, :, 0]
        entropies = -(distribution.exp() * distribution).sum(dim=-1)
        return ActionScores(torch.where(episodes.mask, chosen, 0.0), torch.where(episodes.mask, entropies, 0.0))


class TableCritic(nn.Module):
    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone())

    def forward(self, episodes: Episodes) -> Tensor:
        return torch.where(episodes.mask, self.values[states(episodes)], 0.0)


class Task:
    """The enumerated task with its exact quantities."""

    def __init__(self, seed: int, temperature: float = 1.0) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.temperature = temperature
        self.outcomes = outcomes()
        self.rewards = torch.randn(len(self.outcomes), generator=self.generator) - (~self.outcomes.ended).float()
        self.reference = self.random_policy()

    def random_policy(self) -> TablePolicy:
        return TablePolicy(torch.randn(STATES, TOKENS + 1, generator=self.generator), self.temperature)

    def values(self, policy: TablePolicy | None) -> tuple[Tensor, Tensor]:
        """Value of every state and of every action in it, under `policy` or, without one, under the best."""
        reference = self.reference.distribution().detach()
        value, action_value = torch.zeros(STATES), torch.zeros(STATES, TOKENS + 1)
        first_cut = STATES
        for state in reversed(range(STATES)):
            action_value[state, STOP] = self.rewards[state]
            children = [state * TOKENS + 1 + token for token in range(TOKENS)]
            for token, child in enumerate(children):
                action_value[state, token] = self.rewards[child] if child >= first_cut else value[child]
            if policy is None:
                value[state] = BETA * torch.logsumexp(reference[state] + action_value[state] / BETA, dim=0)
            else:
                own = policy.distribution().detach()[state]
                value[state] = (own.exp() * (action_value[state] - BETA * (own - reference[state]))).sum()
        return value, action_value

    def best_policy(self) -> TablePolicy:
        value, action_value = self.values(None)
        logits = self.reference.distribution().detach() + (action_value - value[:, None]) / BETA
        return TablePolicy(logits * self.temperature, self.temperature)

    def objective(self, policy: TablePolicy) -> Tensor:
        """Expected reward minus beta times the divergence from the reference, by enumeration."""
        own = policy(self.outcomes).log_probabilities.sum(dim=1)
        reference = self.reference(self.outcomes).log_probabilities.sum(dim=1).detach()
        return (own.exp() * (self.rewards - BETA * (own - reference))).sum()

    def divergence(self, policy: TablePolicy, other: TablePolicy) -> float:
        own = policy(self.outcomes).log_probabilities.sum(dim=1)
        return (own.exp() * (own - other(self.outcomes).log_probabilities.sum(dim=1))).sum().item()

    def sample(self, policy: TablePolicy, episodes: int) -> Tensor:
        """Row numbers of outcomes drawn from the policy."""
        probabilities = policy(self.outcomes).log_probabilities.detach().sum(dim=1).exp()
        return torch.multinomial(probabilities, episodes, replacement=True, generator=self.generator)

    def experience(self, rows: Tensor, policy: TablePolicy, critic: TableCritic, trace: float = 0.95):
        settings = AdvantageSettings(discount=1.0, trace=trace)
        return gather_experience(
            self.outcomes.rows(rows), self.rewards[rows], policy, self.reference, critic, settings, BETA, 10**7
        )


def unwhitened(experience):
    return replace(experience, advantages=experience.returns - experience.values)


def update_settings(**changes: float) -> UpdateSettings:
    values = {"epochs": 2, "minibatches": 4, "micro_batch_tokens": 10**7, "clip_range": 0.2, "value_clip_range": 0.2}
    return UpdateSettings(**{**values, "kl_stop": 0.1, "entropy_coefficient": 0.0, **changes})


def test_the_enumeration_holds_341_outcomes_of_probability_one() -> None:
    task = Task(seed=1)
    assert len(task.outcomes) == 341
    assert task.reference(task.outcomes).log_probabilities.sum(dim=1).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_any_policy_falls_short_of_the_best_by_its_divergence_from_it() -> None:
    task = Task(seed=2)
    policy, best = task.random_policy(), task.best_policy()
    shortfall = (task.objective(best) - task.objective(policy)).item()
    assert shortfall == pytest.approx(BETA * task.divergence(policy, best), abs=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("trace", [0.0, 0.95, 1.0])
def test_the_best_policy_with_its_own_values_has_no_advantages(temperature: float, trace: float) -> None:
    task = Task(seed=3, temperature=temperature)
    critic = TableCritic(task.values(None)[0])
    experience = unwhitened(task.experience(torch.arange(341), task.best_policy(), critic, trace))
    assert experience.advantages.abs().max().item() < 1e-5


@pytest.mark.parametrize("wrong", [k3, lambda policy, reference: 0.5 * (policy - reference).square()])
def test_another_estimator_in_the_reward_would_show(wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.reinforcement.advantages.k1", wrong)
    task = Task(seed=3)
    experience = unwhitened(task.experience(torch.arange(341), task.best_policy(), TableCritic(task.values(None)[0])))
    assert experience.advantages.abs().max().item() > 1.0


def test_a_reference_at_another_temperature_would_show() -> None:
    task = Task(seed=3)
    best, critic = task.best_policy(), TableCritic(task.values(None)[0])
    task.reference.temperature = 0.7
    assert unwhitened(task.experience(torch.arange(341), best, critic)).advantages.abs().max().item() > 0.1


@pytest.mark.parametrize(("temperature", "trace"), [(1.0, 0.95), (1.0, 1.0), (0.7, 0.95)])
def test_the_gradient_is_that_of_the_objective(temperature: float, trace: float) -> None:
    task = Task(seed=4, temperature=temperature)
    policy = task.random_policy()
    critic = TableCritic(task.values(policy)[0])
    exact = torch.autograd.grad(task.objective(policy), policy.logits)[0].flatten()
    rows = task.sample(policy, 400_000)
    experience = unwhitened(task.experience(rows, policy, critic, trace))
    accumulate_policy_gradient(policy, experience, update_settings(clip_range=100.0))
    # The loss is a mean over actions, the objective one over responses.
    mean_actions = experience.episodes.response_lengths.float().mean()
    sampled = -policy.logits.grad.flatten() * mean_actions
    assert torch.cosine_similarity(sampled, exact, dim=0).item() > 0.999
    assert (sampled.norm() / exact.norm()).item() == pytest.approx(1.0, abs=0.03)


def train(task: Task, iterations: int, episodes: int, settings: UpdateSettings) -> TablePolicy:
    policy, critic = TablePolicy(task.reference.logits.detach(), task.temperature), TableCritic(torch.zeros(STATES))
    optimizer = AdamWSettings(beta_gradient=0.9, beta_square=0.95, epsilon=1e-5, weight_decay=0.0, gradient_clip=1.0)
    learner = LearnerSettings(
        policy_learning_rate=0.05,
        critic_learning_rate=0.05,
        optimizer=optimizer,
        schedule=ScheduleSettings(warmup_share=0.0, decay_share=1.0),
    )
    steps = settings.epochs * settings.minibatches
    policy_learner = Learner(policy, learner.policy_learning_rate, iterations * steps, learner)
    critic_learner = Learner(critic, learner.critic_learning_rate, iterations * steps, learner)
    for iteration in range(iterations):
        experience = task.experience(task.sample(policy, episodes), policy, critic)
        update_policy(policy, policy_learner, experience, settings, iteration * steps, None, "policy", iteration)
        update_critic(critic, critic_learner, experience, settings, iteration * steps, "critic", iteration)
    return policy


def assert_closes_the_gap(seed: int, iterations: int, settings: UpdateSettings, episodes: int = 1024) -> None:
    task = Task(seed)
    best = task.best_policy()
    start = task.divergence(task.reference, best)
    policy = train(task, iterations, episodes, settings)
    assert task.divergence(policy, best) < 0.01 * start
    assert task.objective(policy).item() == pytest.approx(task.objective(best).item(), abs=0.01 * BETA * start)


def test_training_closes_all_but_a_hundredth_of_the_gap_to_the_best_policy() -> None:
    assert_closes_the_gap(5, iterations=150, settings=update_settings(epochs=1, minibatches=2))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_training_closes_the_gap_from_every_start(seed: int) -> None:
    # With 1,024 episodes seed 0 ended, on one processor of two, without an outcome that the reference draws once in
    # 10,000 and the best policy seven times in a hundred: what is drawn in time is luck, and more episodes need less.
    settings = update_settings(epochs=4, minibatches=4)
    assert_closes_the_gap(seed, iterations=300, settings=settings, episodes=4096)

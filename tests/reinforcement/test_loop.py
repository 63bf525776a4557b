"""Whole updates on tiny networks: what moves, what stays, and that a continued run is the same run."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from stages.model.scalar import ScalarModel
from stages.model.transformer import ModelConfig
from stages.parameters import read_parameters
from stages.reinforcement.diagnostics import Phases
from stages.reinforcement.episodes import Episodes
from stages.reinforcement.loop import Loop, Networks, Settings
from stages.reinforcement.networks import TransformerCritic, TransformerPolicy, critic_from_reward
from stages.reinforcement.rewards import HEADS, head_weights
from stages.reinforcement.rollout import Question
from stages.reinforcement.samples import kept_samples, sampled_updates
from stages.text.tokenizer import Tokenizer
from tests.specimens import fresh_model

TINY = Path(__file__).parents[1] / "tiny_params.yaml"


def settings(**changes: Any) -> Settings:
    values = read_parameters(TINY)["ppo"]
    values["updates"] = 4
    known = {name: value for name, value in values.items() if name in Settings.model_fields}
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            known[section] = {**known[section], key: value}
        else:
            known[section] = value
    return Settings.model_validate(known)


@pytest.fixture
def networks(config: ModelConfig, tokenizer: Tokenizer) -> Networks:
    config = config.model_copy(update={"vocabulary_size": tokenizer.vocabulary_size})
    model = fresh_model(config)
    reward = ScalarModel(config, outputs=5)
    reward.initialise(model, torch.Generator().manual_seed(2))
    weights = head_weights(settings().score)
    return Networks(
        policy=TransformerPolicy(model, 1.0),
        reference=TransformerPolicy(copy.deepcopy(model), 1.0),
        reward=reward.requires_grad_(False),
        critic=TransformerCritic(critic_from_reward(reward, weights)),
    )


def loop(networks: Networks, tokenizer: Tokenizer, **changes: Any) -> Loop:
    questions = [Question(str(number), "why?", [0, 4, number + 6, 1, 5]) for number in range(20)]
    changes = {"rollout__temperature": 1.0, **changes}
    return Loop(copy.deepcopy(networks), questions, tokenizer, settings(**changes), None)


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_warm_up_moves_the_critic_alone(networks: Networks, tokenizer: Tokenizer) -> None:
    run = loop(networks, tokenizer, critic_warmup_updates=1)
    figures = run.advance(Phases()).figures
    assert torch.equal(weights(run.networks.policy), weights(networks.policy))
    assert not torch.equal(weights(run.networks.critic), weights(networks.critic))
    assert figures["policy_optimizer_steps"] == 0
    assert run.kl_coefficient == run.settings.kl.coefficient
    run.advance(Phases())
    assert not torch.equal(weights(run.networks.policy), weights(networks.policy))


def test_an_update_leaves_reference_and_reward_alone(networks: Networks, tokenizer: Tokenizer) -> None:
    run = loop(networks, tokenizer, critic_warmup_updates=0)
    run.advance(Phases())
    assert torch.equal(weights(run.networks.reference), weights(networks.reference))
    assert torch.equal(weights(run.networks.reward), weights(networks.reward))


def test_the_first_rollout_is_at_no_distance_from_the_reference(networks: Networks, tokenizer: Tokenizer) -> None:
    figures = loop(networks, tokenizer, critic_warmup_updates=0).advance(Phases()).figures
    assert figures["kl"] == figures["kl_k3_per_token"] == 0.0
    assert figures["policy_first_ratio_deviation"] < 1e-5
    assert figures["sampler_gap"] < 1e-5


def test_every_update_reports_the_same_finite_figures(networks: Networks, tokenizer: Tokenizer) -> None:
    run = loop(networks, tokenizer)
    rows = [run.advance(Phases()).figures for _ in range(3)]
    assert len({tuple(row) for row in rows}) == 1
    assert all(torch.tensor(list(row.values())).isfinite().all() for row in rows)


def test_a_continued_run_is_bit_for_bit_the_same_run(networks: Networks, tokenizer: Tokenizer, tmp_path: Path) -> None:
    whole = loop(networks, tokenizer)
    for _ in range(2):
        whole.advance(Phases())
    torch.save(whole.state(), tmp_path / "state.pt")
    expected = [whole.advance(Phases()).figures for _ in range(2)]
    continued = loop(networks, tokenizer)
    continued.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [continued.advance(Phases()).figures for _ in range(2)] == expected
    assert torch.equal(weights(continued.networks.policy), weights(whole.networks.policy))
    assert torch.equal(weights(continued.networks.critic), weights(whole.networks.critic))


def test_responses_that_are_all_cut_off_are_learnt_from(networks: Networks, tokenizer: Tokenizer) -> None:
    # An untrained model draws the stop token among its first two tokens once in 180 times.
    step = loop(networks, tokenizer, rollout__max_new_tokens=2, critic_warmup_updates=0).advance(Phases())
    assert step.figures["truncated_share"] == 1.0
    assert step.figures["policy_optimizer_steps"] > 0


def test_a_budget_of_one_token_is_learnt_from(networks: Networks, tokenizer: Tokenizer) -> None:
    step = loop(networks, tokenizer, rollout__max_new_tokens=1, critic_warmup_updates=0).advance(Phases())
    assert step.experience.advantages.shape == (8, 1)
    assert step.figures["distinct_4"] == 1.0


def test_the_policy_learns_a_taste_for_half_the_vocabulary(
    networks: Networks, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taste(reward: ScalarModel, episodes: Episodes, batch_tokens: int) -> torch.Tensor:
        share = ((episodes.actions < tokenizer.vocabulary_size // 2) & episodes.mask).sum(dim=1)
        return 4 * (share / episodes.response_lengths - 0.5)[:, None].expand(-1, len(HEADS))

    monkeypatch.setattr("stages.reinforcement.loop.score_heads", taste)
    learner = {"learner__policy_learning_rate": 0.03, "learner__critic_learning_rate": 0.01}
    run = loop(networks, tokenizer, updates=12, rollout__episodes=32, **learner)
    rewards = [run.advance(Phases()).figures["reward"] for _ in range(12)]
    assert rewards[-1] > rewards[0] + 0.4


def test_kept_samples_say_what_a_response_was_worth(networks: Networks, tokenizer: Tokenizer) -> None:
    step = loop(networks, tokenizer).advance(Phases())
    samples = kept_samples(step, 3, tokenizer)
    assert [sample.prompt_id for sample in samples] == [question.id for question in step.rollout.questions[:3]]
    assert samples[0].reward == pytest.approx(step.scores[0].item(), abs=1e-4)
    assert samples[0].text == tokenizer.decode(step.rollout.responses[0])
    assert samples[0].kl == 0.0
    assert sampled_updates(18) == {1, 9, 18}
    assert sampled_updates(1) == {1}


@pytest.mark.parametrize("changes", [{"kl__horizon": 15}, {"critic_warmup_updates": 4}])
def test_settings_that_cannot_work_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)

"""Policies and critics over transformers, against the plain forward pass."""

import pytest
import torch

from stages.model.generation import generate
from stages.model.scalar import ScalarModel
from stages.model.transformer import ModelConfig, Transformer
from stages.reinforcement.episodes import Episodes, in_micro_batches, pack_episodes
from stages.reinforcement.networks import TransformerCritic, TransformerPolicy, critic_from_reward


@pytest.fixture
def reward(config: ModelConfig) -> ScalarModel:
    reward = ScalarModel(config, outputs=5)
    generator = torch.Generator().manual_seed(4)
    for parameter in reward.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    reward.gain.copy_(torch.tensor([2.0, 1.0, 0.5, 1.0, 3.0]))
    reward.shift.copy_(torch.tensor([1.0, 0.0, -0.5, 0.25, 0.0]))
    return reward


def test_log_probabilities_and_entropies_are_those_of_the_tempered_distribution(
    model: Transformer, episodes: Episodes
) -> None:
    scores = TransformerPolicy(model, temperature=0.7)(episodes)
    for row in range(len(episodes)):
        prompt, response = int(episodes.prompt_lengths[row]), int(episodes.response_lengths[row])
        tokens = episodes.tokens[row : row + 1, : prompt + response]
        expected = torch.distributions.Categorical(logits=model.logits(model(tokens))[0, prompt - 1 : -1] / 0.7)
        torch.testing.assert_close(scores.log_probabilities[row, :response], expected.log_prob(tokens[0, prompt:]))
        torch.testing.assert_close(scores.entropies[row, :response], expected.entropy())
        assert not scores.log_probabilities[row, response:].any()


@pytest.mark.parametrize("batch_tokens", [1, 25, 10_000])
def test_padding_and_neighbours_change_no_score(model: Transformer, episodes: Episodes, batch_tokens: int) -> None:
    policy = TransformerPolicy(model, temperature=1.0)
    wide = Episodes(
        torch.nn.functional.pad(episodes.tokens, (0, 5), value=7),
        episodes.prompt_lengths,
        episodes.response_lengths,
        episodes.ended,
    )
    scores = in_micro_batches(lambda part: policy(part).stacked(), episodes, batch_tokens)
    torch.testing.assert_close(scores, policy(wide).stacked(), rtol=1e-5, atol=1e-5)


def test_the_sampler_and_the_policy_agree(model: Transformer) -> None:
    prompts = [[0, 4, 9, 5], [0, 4, 7, 8, 9, 10, 5], [0, 5]] * 4
    generations = generate(
        model,
        prompts,
        max_new_tokens=12,
        temperature=0.7,
        top_p=1.0,
        stop_id=1,
        keys=list(range(len(prompts))),
        batch_size=5,
    )
    responses = [generation.token_ids for generation in generations]
    episodes = pack_episodes(prompts, responses, [True] * len(prompts), padding=2)
    scores = TransformerPolicy(model, temperature=0.7)(episodes)
    sampled = torch.tensor([value for generation in generations for value in generation.log_probabilities])
    torch.testing.assert_close(scores.log_probabilities[episodes.mask], sampled, rtol=0, atol=1e-5)


def test_a_critic_made_from_the_reward_model_foresees_its_score(reward: ScalarModel, episodes: Episodes) -> None:
    weights = torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1])
    critic = critic_from_reward(reward, weights)
    last = torch.arange(len(episodes)), episodes.lengths - 1
    values = critic(episodes.tokens)[(*last, 0)]
    torch.testing.assert_close(values, reward.score(episodes.tokens, episodes.lengths) @ weights)


def test_values_are_read_where_the_action_is_predicted(reward: ScalarModel, episodes: Episodes) -> None:
    critic = TransformerCritic(critic_from_reward(reward, torch.ones(5)))
    values, everywhere = critic(episodes), critic.model(episodes.tokens)[..., 0]
    for row, (prompt, response) in enumerate(zip(episodes.prompt_lengths, episodes.response_lengths, strict=True)):
        torch.testing.assert_close(values[row, :response], everywhere[row, prompt - 1 : prompt + response - 1])


def test_a_critic_shares_no_weights_with_the_reward_model(reward: ScalarModel) -> None:
    critic = critic_from_reward(reward, torch.ones(5))
    assert not {p.data_ptr() for p in critic.parameters()} & {p.data_ptr() for p in reward.parameters()}

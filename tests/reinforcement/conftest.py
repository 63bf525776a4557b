"""Tiny random networks and episodes for the tests of reinforcement learning."""

import pytest
import torch

from stages.model.transformer import ModelConfig, Transformer
from stages.reinforcement.episodes import Episodes, pack_episodes
from tests.specimens import small_config

VOCABULARY = 31


@pytest.fixture
def config() -> ModelConfig:
    return small_config(VOCABULARY, context_length=48)


def noisy(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Weights large enough that the model is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return model


@pytest.fixture
def model(config: ModelConfig) -> Transformer:
    return noisy(Transformer(config), seed=1)


@pytest.fixture
def episodes() -> Episodes:
    """Twelve episodes of uneven lengths."""
    generator = torch.Generator().manual_seed(2)

    def ids(longest: int) -> list[int]:
        length = int(torch.randint(1, longest + 1, (1,), generator=generator))
        return torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()

    prompts, responses = [ids(9) for _ in range(12)], [ids(7) for _ in range(12)]
    return pack_episodes(prompts, responses, [row % 3 > 0 for row in range(12)], padding=2)

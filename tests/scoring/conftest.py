"""A tokenizer, models with random weights and records small enough to reason about."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.model.transformer import ModelConfig, Transformer
from stages.scoring.intervals import Resampling
from stages.text.stretch_counts import count
from stages.text.tokenizer import Tokenizer
from stages.text.vocabulary import learn, save
from tests.specimens import fresh_model, small_config

TEXT = (
    "networkx.shortest_path(G, source=None, target=None)\n\nCompute shortest paths in the graph.\n",
    "Return the number of nodes in the graph. The graph is not changed.\n",
    "Sorry, I can't help with that. I don't know this name; it is not in the documents I know.\n",
    "Question: What does the function do?\nAnswer: It computes the path between two nodes.\n",
)


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    pattern = r"\s?\p{L}+|\s?\p{N}+|\s?[^\s\p{L}\p{N}]+|\s+"
    save(learn(count(list(TEXT) * 4, pattern), 320, pattern), folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


def random_model(config: ModelConfig, seed: int) -> Transformer:
    model = fresh_model(config, seed)
    with torch.no_grad():  # the usual start is so small that all tokens are about equally likely
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(10)
    return model.eval()


@pytest.fixture
def model(tokenizer: Tokenizer) -> Transformer:
    return random_model(small_config(tokenizer.vocabulary_size), seed=1)


@pytest.fixture
def resampling() -> Resampling:
    return Resampling(resamples=400, confidence=0.95, seed=1)


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(5)

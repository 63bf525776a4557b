"""A tiny decoder and rows of random tokens for it; a project whose pretraining takes seconds."""

from collections.abc import Callable

import numpy as np
import pytest

from stages.model.transformer import Transformer
from stages.training.batches import Rows
from tests.projects import Project, copy_of_this
from tests.specimens import fresh_model, small_config, write_tokens
from tests.training.pretraining import on, trained


@pytest.fixture
def tiny_model() -> Callable[[], Transformer]:
    return lambda: fresh_model(small_config(40, context_length=16))


@pytest.fixture
def rows() -> Rows:
    """12 rows of two pieces and a padded end each."""
    draws = np.random.default_rng(1)
    tokens = draws.integers(6, 40, (12, 17)).astype(np.uint16)
    segments = np.repeat(np.array([[1] * 7 + [2] * 8 + [0] * 2], dtype=np.uint16), 12, axis=0)
    return Rows(tokens, segments, None)


@pytest.fixture(scope="module")
def template(tmp_path_factory, tokenizer_folder, tokenizer) -> Project:
    """The project with a few texts as tokens."""
    project = copy_of_this(tmp_path_factory.mktemp("ranks") / "checkout")
    texts = [f"{number} rivers rise and fall into the sea, {number * number} do not." for number in range(300)]
    write_tokens(project.folder / "data/encode/train", texts[:250], 64, tokenizer)
    write_tokens(project.folder / "data/encode/validation", texts[250:], 64, tokenizer)
    target = project.folder / "data/train_tokenizer/tokenizer"
    target.parent.mkdir(parents=True)
    target.symlink_to(tokenizer_folder)
    (project.folder / "data/weights.json").write_text("{}")
    return project


@pytest.fixture(scope="module")
def alone(template: Project) -> list[dict[str, float]]:
    """The curves of one process."""
    return trained(on(template, 1))[0]

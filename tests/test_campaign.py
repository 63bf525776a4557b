"""Killed at any moment in any process and started again, the pipeline comes to the same bytes and whole curves."""

import itertools
import os
import random
from pathlib import Path

import pytest

from tests.campaign import STAGES, TARGETS, campaign, plan
from tests.conftest import TinyRuns


@pytest.fixture
def seed() -> int:
    """Another campaign each time; `HEADWATER_CAMPAIGN_SEED` asks for one that was printed."""
    return int(os.environ.get("HEADWATER_CAMPAIGN_SEED", random.SystemRandom().randrange(2**32)))


def test_a_plan_is_a_function_of_its_seed() -> None:
    assert list(itertools.islice(plan(1), 20)) == list(itertools.islice(plan(1), 20))
    assert list(itertools.islice(plan(1), 20)) != list(itertools.islice(plan(2), 20))


def test_the_first_episodes_miss_no_stage_and_no_target() -> None:
    episodes = list(itertools.islice(plan(3), len(STAGES)))
    assert {episode.stage for episode in episodes} == set(STAGES)
    assert {kill.target for episode in episodes for kill in episode.kills} == set(TARGETS)


def test_ten_kills_change_nothing(tiny_runs: TinyRuns, tmp_path: Path, seed: int) -> None:
    assert campaign(tmp_path / "disturbed", tiny_runs.by_dvc, 10, seed).total() >= 10


@pytest.mark.slow
def test_a_hundred_kills_change_nothing(tiny_runs: TinyRuns, tmp_path: Path, seed: int) -> None:
    done = campaign(tmp_path / "disturbed", tiny_runs.by_dvc, 100, seed)
    assert {stage for stage, _ in done} == set(STAGES)

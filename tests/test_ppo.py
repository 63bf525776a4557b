"""The stage on tiny models: what it writes, the same bytes every time, interrupted or not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages import ppo
from stages.hashing import folder_hash
from stages.model.checkpoint import load_model, load_scalar_model, save_model
from stages.model.scalar import ScalarModel
from stages.parameters import read_section
from stages.reinforcement.diagnostics import Phases
from stages.reinforcement.loop import Loop, Step
from stages.text.records import read_records, write_records
from stages.text.shards import PIECE_SCHEMA, write_rows
from stages.text.tokenizer import Tokenizer
from tests.specimens import fresh_model, prompt, small_config

TINY = Path(__file__).parent / "tiny_params.yaml"
CONTEXT = 64


@pytest.fixture
def params() -> ppo.Params:
    return read_section(TINY, "ppo", ppo.Params)


@pytest.fixture
def inputs(tmp_path: Path, tokenizer: Tokenizer, tokenizer_folder: Path) -> dict[str, Path]:
    config = small_config(tokenizer.vocabulary_size, context_length=CONTEXT, layers=1)
    model = fresh_model(config)
    reward = ScalarModel(config, outputs=5)
    reward.initialise(model, torch.Generator().manual_seed(2))
    save_model(tmp_path / "policy", model, tokenizer_folder, {})
    save_model(tmp_path / "reward", reward, tokenizer_folder, {})
    asked = [prompt(f"prompt-{number}", f"What is {number}?", split="optimise") for number in range(6)]
    write_records(tmp_path / "prompts.jsonl", [*asked, prompt("other")])
    rows = np.random.default_rng(0).integers(6, tokenizer.vocabulary_size, (4, CONTEXT + 1))
    write_rows(tmp_path / "train", rows, np.ones_like(rows), pd.DataFrame(columns=PIECE_SCHEMA.names))
    return {
        "policy": tmp_path / "policy",
        "reward": tmp_path / "reward",
        "prompts": tmp_path / "prompts.jsonl",
        "pretraining": tmp_path / "train",
    }


def run(params: ppo.Params, inputs: dict[str, Path], output: Path) -> dict:
    output.mkdir()
    checkpoints = output.with_name(output.name + ".checkpoints")
    return ppo.run(params, **inputs, output=output, checkpoints=checkpoints, logger=None)


def test_it_leaves_policy_critic_curve_and_samples(params: ppo.Params, inputs: dict[str, Path], tmp_path: Path) -> None:
    metrics = run(params, inputs, tmp_path / "output")
    before, after = load_model(inputs["policy"]), load_model(tmp_path / "output" / "model")
    assert not torch.equal(before.output_weight, after.output_weight)
    assert load_scalar_model(tmp_path / "output" / "critic").outputs == 1
    curve = pd.read_csv(tmp_path / "output" / "curves.csv")
    assert curve["step"].tolist() == [1, 2, 3]
    assert {"reward", "kl", "score_safety", "entropy", "explained_variance"} <= set(curve)
    assert not any("second" in name for name in curve)
    samples = read_records(tmp_path / "output" / "samples.jsonl", ppo.Sample)
    assert [sample.update for sample in samples] == [1, 1, 2, 2, 3, 3]
    assert metrics["prompts"] == 6
    assert metrics["policy_steps"] == 4


def test_equal_runs_write_equal_bytes(params: ppo.Params, inputs: dict[str, Path], tmp_path: Path) -> None:
    first, second = (run(params, inputs, tmp_path / name) for name in ("first", "second"))
    assert first == second
    assert folder_hash(tmp_path / "first") == folder_hash(tmp_path / "second")


def interrupt(monkeypatch: pytest.MonkeyPatch, update: int) -> None:
    """Have the update of that number, counted from 1, interrupted once it has moved the weights."""
    advance = Loop.advance

    def interrupted(self: Loop, phases: Phases) -> Step:
        step = advance(self, phases)
        if self.update == update:
            monkeypatch.setattr(Loop, "advance", advance)
            raise KeyboardInterrupt
        return step

    monkeypatch.setattr(Loop, "advance", interrupted)


@pytest.mark.parametrize("interruptions", [(1,), (2,), (2, 3)])
def test_an_interrupted_run_continues_to_the_same_bytes(
    params: ppo.Params,
    inputs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interruptions: tuple[int, ...],
) -> None:
    rare = params.model_copy(update={"checkpoint_updates": 100})
    run(rare, inputs, tmp_path / "whole")
    for update in interruptions:
        interrupt(monkeypatch, update)
        with pytest.raises(KeyboardInterrupt):
            run(rare, inputs, tmp_path / "halted")
        assert (tmp_path / "halted.checkpoints" / f"{update - 1:08d}.pt").exists()
        (tmp_path / "halted").rmdir()
    run(rare, inputs, tmp_path / "halted")
    assert folder_hash(tmp_path / "halted") == folder_hash(tmp_path / "whole")


def test_a_finished_run_that_is_started_again_only_writes(
    params: ppo.Params, inputs: dict[str, Path], tmp_path: Path
) -> None:
    metrics = run(params, inputs, tmp_path / "output")
    expected = folder_hash(tmp_path / "output")
    (tmp_path / "output").rename(tmp_path / "gone")
    assert run(params, inputs, tmp_path / "output") == metrics
    assert folder_hash(tmp_path / "output") == expected

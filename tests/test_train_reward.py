import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stages import train_reward
from stages.errors import ExitCode, StageError
from stages.hashing import folder_hash
from stages.model.checkpoint import load_model, load_scalar_model
from stages.parameters import read_section
from stages.preferences.records import AXES, Preference
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Message
from stages.text.records import write_records
from stages.text.tokenizer import Tokenizer
from stages.training.lora import LoraSettings
from tests import specimens
from tests.specimens import ranked_answer

TINY = Path(__file__).parent / "tiny_params.yaml"
GOOD, BAD = "The answer is 42.", "The weir holds the water back."


def preference(number: int, split: str, tokenizer: Tokenizer) -> Preference:
    """Two answers, the good one first in every other prompt; no judge doubts which it is."""
    texts = (GOOD, BAD) if number % 2 else (BAD, GOOD)
    good = texts.index(GOOD)
    answers = [
        ranked_answer(
            f"{number}-{place}",
            text,
            (*tokenizer.encode(text), tokenizer.end),
            rank=1.0 if place == good else 2.0,
            axes=dict.fromkeys(AXES[:3], 5.0 if place == good else 1.0) | {"safety": None},
        )
        for place, text in enumerate(texts)
    ]
    votes = ((0.0, 1.0), (0.0, 0.0)) if good == 0 else ((0.0, 0.0), (1.0, 0.0))
    messages = (Message(role="user", content=f"What is answer {number}?"),)
    return specimens.preference(f"{split}-{number:03d}", answers, votes, split=split, messages=messages)


@pytest.fixture
def inputs(tmp_path, model_folder, tokenizer) -> dict[str, Path]:
    sizes = {"rank": 24, "validation": 8, "test": 12}
    ranked = [preference(number, split, tokenizer) for split, size in sizes.items() for number in range(size)]
    write_records(tmp_path / "preferences.jsonl", ranked)
    return {"model": model_folder, "preferences": tmp_path / "preferences.jsonl"}


def run(inputs: dict[str, Path], output: Path, **changes) -> dict:
    params = read_section(TINY, "train_reward", train_reward.Params).model_copy(
        update={"learning_rate": 0.01, "passes": 4} | changes
    )
    return train_reward.run(params, **inputs, output=output, checkpoints=output / "checkpoints", logger=None)


def test_it_learns_which_answer_is_better_and_reports_on_the_test_split(inputs, tmp_path):
    metrics = run(inputs, tmp_path / "out")
    assert metrics["prompts"] == 24
    assert metrics["test_pair_accuracy"] == metrics["test_pair_accuracy_low"] == 1.0
    assert metrics["validation_accuracy"] == 1.0
    assert 0 < metrics["passes_kept"] <= 4
    # The bad answer is the longer one, so that a reward for length is always wrong here.
    assert metrics["longer_is_better_accuracy"] == 0.0
    assert metrics["test_length_correlation"] < 0


def test_saved_scores_are_normalised_on_the_held_out_answers(inputs, tmp_path, tokenizer):
    run(inputs, tmp_path / "out")
    model = load_scalar_model(tmp_path / "out" / "model")
    scores = []
    for number in range(8):
        for answer in preference(number, "validation", tokenizer).answers:
            prompt = render_prompt(preference(number, "validation", tokenizer).messages, tokenizer)
            ids = [*prompt, *answer.token_ids]
            scores.append(model.score(torch.tensor([ids]), torch.tensor([len(ids)]))[0])
    stacked = torch.stack(scores)
    assert torch.allclose(stacked.mean(0), torch.zeros(5), atol=1e-4)
    assert torch.allclose(stacked.std(0, correction=0), torch.ones(5), atol=1e-3)


def test_answers_longer_than_the_model_can_read_are_learnt_by_their_end(inputs, tmp_path, tokenizer):
    """As where people judged the answers of a model with a longer context."""
    ranked = [preference(number, split, tokenizer) for split in ("rank", "validation", "test") for number in range(4)]
    longest = load_model(inputs["model"]).config.context_length
    answers = [
        answer.model_copy(update={"token_ids": (*[9] * longest, *answer.token_ids)}) for answer in ranked[0].answers
    ]
    write_records(inputs["preferences"], [ranked[0].model_copy(update={"answers": tuple(answers)}), *ranked[1:]])
    assert run(inputs, tmp_path / "out")["prompts"] == 4
    one = train_reward.comparison(ranked[0].model_copy(update={"answers": tuple(answers)}), tokenizer, longest)
    assert [len(sequence) for sequence in one.sequences] == [longest] * 2
    assert [int(sequence[-1]) for sequence in one.sequences] == [tokenizer.end] * 2


def test_equal_runs_write_equal_bytes(inputs, tmp_path):
    first, second = (run(inputs, tmp_path / name) for name in "ab")
    assert folder_hash(tmp_path / "a" / "model") == folder_hash(tmp_path / "b" / "model")
    assert first == second
    assert json.loads((tmp_path / "a" / "model" / "config.json").read_text())["headwater"] == {"outputs": 5}


def test_an_adapter_and_its_head_learn_which_answer_is_better(inputs, tmp_path):
    settings = LoraSettings(rank=4, alpha=8, targets=["q_proj", "v_proj", "up_proj", "down_proj"])
    metrics = run(inputs, tmp_path / "out", lora=settings, learning_rate=0.03)
    assert metrics["test_pair_accuracy"] == metrics["validation_accuracy"] == 1.0
    adapter = 2 * 4 * ((32 + 32) + (16 + 32) + 2 * (64 + 32))
    assert metrics["trained_parameters"] == adapter + 5 * (32 + 1)
    # The model beside it is the base model with the adapter of its file: W + 8 / 4 B A.
    base = load_model(inputs["model"]).state_dict()
    saved, model = (load_file(next((tmp_path / "out" / name).glob("*.safetensors"))) for name in ("adapter", "model"))
    for name, weight in base.items():
        key = "base_model.model." + name.removesuffix(".weight")
        delta = (
            2 * saved[f"{key}.lora_B.weight"] @ saved[f"{key}.lora_A.weight"] if f"{key}.lora_A.weight" in saved else 0
        )
        torch.testing.assert_close(model[f"trunk.{name}"], weight + delta, atol=1e-6, rtol=0)
    assert torch.equal(saved["base_model.model.score.weight"], model["head.weight"])
    assert torch.equal(saved["base_model.model.score.bias"], model["head.bias"])
    config = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert (config["task_type"], config["modules_to_save"]) == ("SEQ_CLS", ["score"])
    model = load_scalar_model(tmp_path / "out" / "model")
    assert model.gain.min() > 0
    assert not torch.equal(model.gain, torch.ones(5))


def test_ratings_become_log_odds_and_missing_ones_no_judgement(tokenizer):
    one = preference(1, "rank", tokenizer)
    votes = train_reward.axis_votes(one, "tone")
    assert votes[0, 1] == pytest.approx(1 / (1 + np.exp(-4)))  # four steps better
    assert votes[0, 1] + votes[1, 0] == pytest.approx(1)
    assert np.isnan(train_reward.axis_votes(one, "safety")[0, 1])


def test_a_split_without_rankings_is_an_error_that_names_it(inputs, tmp_path, tokenizer):
    write_records(inputs["preferences"], [preference(number, "rank", tokenizer) for number in range(4)])
    with pytest.raises(StageError, match="validation") as error:
        run(inputs, tmp_path / "out")
    assert error.value.code == ExitCode.DATA

import csv
import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from stages import finetune
from stages.hashing import folder_hash
from stages.model.checkpoint import load_model
from stages.parameters import read_section
from stages.training.lora import LoraSettings

TINY = Path(__file__).parent / "tiny_params.yaml"
GENERAL = [f"The river number {number} rises in the hills and falls into the sea.\n" * 3 for number in range(60)]
DOMAIN = [f"def flow_{number}(rate, hours):\n    return rate * hours * {number}\n" * 3 for number in range(60)]


@pytest.mark.parametrize(
    ("batch_rows", "share", "expected"), [(16, 0.25, (12, 4)), (4, 0.1, (3, 1)), (1, 0.5, (1, 1)), (8, 0.0, (8, 0))]
)
def test_a_batch_has_rows_of_the_domain_and_of_general_text(batch_rows, share, expected):
    assert finetune.mixed_rows(batch_rows, share) == expected


@pytest.fixture
def inputs(tmp_path, token_folder, model_folder) -> dict[str, Path]:
    return {
        "model": model_folder,
        "train": token_folder(tmp_path / "domain/train", DOMAIN[:50], 64),
        "validation": token_folder(tmp_path / "domain/validation", DOMAIN[50:], 64),
        "general": token_folder(tmp_path / "train", GENERAL[:50], 64),
        "general_validation": token_folder(tmp_path / "validation", GENERAL[50:], 64),
    }


@pytest.mark.parametrize("replay_share", [0.0, 0.25])
def test_it_learns_the_domain_and_watches_general_text(inputs, tmp_path, replay_share):
    params = read_section(TINY, "finetune", finetune.Params)
    params = params.model_copy(update={"replay_share": replay_share, "batch_tokens": 512, "learning_rate": 0.01})
    output = tmp_path / "out"
    metrics = finetune.run(params, **inputs, output=output, checkpoints=output / "checkpoints", logger=None)
    assert metrics["validation_bits_per_byte"] < metrics["validation_bits_per_byte_before"]
    with (output / "curves.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    change = metrics["general_validation_change"]
    assert float(last["general_validation_loss"]) == pytest.approx(metrics["general_validation_loss"], rel=1e-5)
    assert change < 0 or replay_share == 0
    assert set(last) >= {"validation_loss", "validation_bits_per_byte", "general_validation_bits_per_byte"}


def test_an_adapter_learns_and_the_model_beside_it_is_the_base_with_it_merged(inputs, tmp_path):
    params = read_section(TINY, "finetune", finetune.Params)
    settings = LoraSettings(rank=4, alpha=8, targets=["q_proj", "v_proj", "up_proj", "down_proj"])
    params = params.model_copy(update={"batch_tokens": 512, "learning_rate": 0.05, "lora": settings})
    first, second = (tmp_path / name for name in "ab")
    for output in (first, second):
        metrics = finetune.run(params, **inputs, output=output, checkpoints=output / "checkpoints", logger=None)
    assert folder_hash(first / "adapter") == folder_hash(second / "adapter")
    assert folder_hash(first / "model") == folder_hash(second / "model")
    assert metrics["validation_bits_per_byte"] < metrics["validation_bits_per_byte_before"]
    # In two blocks: 32 by 32, 16 by 32, and twice 64 by 32.
    assert metrics["trained_parameters"] == 2 * 4 * ((32 + 32) + (16 + 32) + 2 * (64 + 32))

    record = json.loads((first / "adapter" / "run.json").read_text())
    assert record == json.loads((first / "model" / "run.json").read_text())
    assert record["inputs"]["model"] == folder_hash(inputs["model"])
    assert record["parameters"]["lora"]["rank"] == 4

    tokens = torch.randint(0, 300, (2, 64), generator=torch.Generator().manual_seed(1))
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(inputs["model"]), first / "adapter")
    base, merged = load_model(inputs["model"]), load_model(first / "model")
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, merged.logits(merged(tokens)), atol=1e-5, rtol=0)
        assert (merged.logits(merged(tokens)) - base.logits(base(tokens))).abs().max() > 0.1


def test_without_an_adapter_its_folder_holds_the_record_alone(inputs, tmp_path):
    params = read_section(TINY, "finetune", finetune.Params)
    metrics = finetune.run(params, **inputs, output=tmp_path, checkpoints=tmp_path / "checkpoints", logger=None)
    assert "trained_parameters" not in metrics
    assert [path.name for path in (tmp_path / "adapter").iterdir()] == ["run.json"]
    assert json.loads((tmp_path / "adapter" / "run.json").read_text())["parameters"]["lora"] is None

import csv
from pathlib import Path

import pytest

from stages import finetune
from stages.parameters import read_section

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

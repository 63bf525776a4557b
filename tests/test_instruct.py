from pathlib import Path

import pytest

from stages import instruct
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model
from stages.model.generation import generate
from stages.parameters import read_section
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Demonstration, Message
from stages.text.records import write_records
from stages.text.tokenizer import Tokenizer
from stages.training.lora import LoraSettings
from tests.specimens import demonstration

TINY = Path(__file__).parent / "tiny_params.yaml"
QUESTION, ANSWER = "What is the answer?", "The answer is 42."
SHOWN = [demonstration(f"train-{number}", QUESTION, ANSWER) for number in range(60)]
HELD_OUT = [demonstration(f"validation-{number}", QUESTION, ANSWER, split="validation") for number in range(4)]


def run(tmp_path: Path, model: Path, demonstrations: list[Demonstration], **changes) -> dict:
    tmp_path.mkdir(exist_ok=True)
    write_records(tmp_path / "demonstrations.jsonl", demonstrations)
    params = read_section(TINY, "instruct", instruct.Params)
    params = params.model_copy(update={"passes": 40.0, "batch_tokens": 128, "learning_rate": 0.01} | changes)
    output = tmp_path / "out"
    return instruct.run(
        params,
        model=model,
        demonstrations=tmp_path / "demonstrations.jsonl",
        output=output,
        checkpoints=output / "checkpoints",
        logger=None,
    )


def answer(model: Path, tokenizer: Tokenizer) -> tuple[str, str]:
    """What the model says, greedily, and why it stops."""
    (generation,) = generate(
        load_model(model),
        [render_prompt([Message(role="user", content=QUESTION)], tokenizer)],
        max_new_tokens=16,
        temperature=0.0,
        top_p=1.0,
        stop_id=tokenizer.end,
        keys=[0],
        batch_size=1,
    )
    return tokenizer.decode(generation.token_ids), generation.finish_reason


def test_it_learns_to_answer_and_to_stop_and_an_adapter_learns_another_answer(tmp_path, model_folder, tokenizer):
    too_long = demonstration("too-long", QUESTION, "No. " * 80)
    metrics = run(tmp_path / "first", model_folder, [*SHOWN, *HELD_OUT, too_long])
    assert (metrics["conversations"], metrics["conversations_too_long"]) == (60, 1)
    assert metrics["validation_loss"] < 0.2 < metrics["validation_loss_before"]
    taught = tmp_path / "first" / "out" / "model"
    assert answer(taught, tokenizer) == (ANSWER, "stop")

    other = "The answer."  # of words that the model has learnt to write: its embedding stays as it is
    shown = [demonstration(f"train-{number}", QUESTION, other) for number in range(60)]
    held_out = [demonstration("validation-0", QUESTION, other, split="validation")]
    settings = LoraSettings(rank=2, alpha=4, targets=["v_proj", "down_proj"])
    metrics = run(tmp_path / "second", taught, [*shown, *held_out], lora=settings, learning_rate=0.02, passes=10.0)
    assert metrics["trained_parameters"] == 2 * 2 * ((16 + 32) + (64 + 32))
    assert metrics["validation_loss"] < 0.2 < metrics["validation_loss_before"]
    assert answer(tmp_path / "second" / "out" / "model", tokenizer) == (other, "stop")
    kept, learnt = (load_model(folder).state_dict() for folder in (taught, tmp_path / "second" / "out" / "model"))
    changed = {name.split(".")[-2] for name in kept if not kept[name].equal(learnt[name])}
    assert changed == {"v_proj", "down_proj"}


def test_without_a_validation_split_it_says_what_is_missing(tmp_path, model_folder):
    with pytest.raises(StageError, match="validation") as error:
        run(tmp_path, model_folder, SHOWN)
    assert error.value.code == ExitCode.DATA

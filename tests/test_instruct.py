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
from tests.specimens import demonstration

TINY = Path(__file__).parent / "tiny_params.yaml"
QUESTION, ANSWER = "What is the answer?", "The answer is 42."
SHOWN = [demonstration(f"train-{number}", QUESTION, ANSWER) for number in range(60)]
HELD_OUT = [demonstration(f"validation-{number}", QUESTION, ANSWER, split="validation") for number in range(4)]


def run(tmp_path: Path, model: Path, demonstrations: list[Demonstration]) -> dict:
    write_records(tmp_path / "demonstrations.jsonl", demonstrations)
    params = read_section(TINY, "instruct", instruct.Params)
    params = params.model_copy(update={"passes": 40.0, "batch_tokens": 128, "learning_rate": 0.01})
    output = tmp_path / "out"
    return instruct.run(
        params,
        model=model,
        demonstrations=tmp_path / "demonstrations.jsonl",
        output=output,
        checkpoints=output / "checkpoints",
        logger=None,
    )


def test_it_learns_to_answer_and_to_stop(tmp_path, model_folder, tokenizer):
    too_long = demonstration("too-long", QUESTION, "No. " * 80)
    metrics = run(tmp_path, model_folder, [*SHOWN, *HELD_OUT, too_long])
    assert (metrics["conversations"], metrics["conversations_too_long"]) == (60, 1)
    assert metrics["validation_loss"] < 0.2 < metrics["validation_loss_before"]
    (generation,) = generate(
        load_model(tmp_path / "out" / "model"),
        [render_prompt([Message(role="user", content=QUESTION)], tokenizer)],
        max_new_tokens=16,
        temperature=0.0,
        top_p=1.0,
        stop_id=tokenizer.end,
        keys=[0],
        batch_size=1,
    )
    assert (tokenizer.decode(generation.token_ids), generation.finish_reason) == (ANSWER, "stop")


def test_without_a_validation_split_it_says_what_is_missing(tmp_path, model_folder):
    with pytest.raises(StageError, match="validation") as error:
        run(tmp_path, model_folder, SHOWN)
    assert error.value.code == ExitCode.DATA

from pathlib import Path

import pytest
import torch

from stages import instruct
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model, save_model
from stages.model.generation import generate
from stages.model.transformer import ModelConfig, Transformer
from stages.parameters import read_section
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Demonstration, Message
from stages.text.records import write_records

TINY = Path(__file__).parent / "tiny_params.yaml"
QUESTION, ANSWER = "What is the answer?", "The answer is 42."


def demonstration(number: int, split: str, answer: str = ANSWER) -> Demonstration:
    return Demonstration(
        id=f"{split}-{number}",
        messages=(Message(role="user", content=QUESTION), Message(role="assistant", content=answer)),
        kind="explain",
        author="composed:test",
        template="t",
        source_ids=(),
        licence="MIT",
        split=split,
    )


@pytest.fixture
def model(tmp_path, tokenizer, tokenizer_folder) -> Path:
    network = Transformer(
        ModelConfig(
            vocabulary_size=tokenizer.vocabulary_size,
            context_length=64,
            width=32,
            layers=1,
            heads=2,
            key_value_heads=2,
            hidden_width=64,
            rope_theta=10_000.0,
            norm_epsilon=1e-5,
            tied=True,
        )
    )
    network.initialise(torch.Generator().manual_seed(1))
    save_model(tmp_path / "model", network, tokenizer_folder, {})
    return tmp_path / "model"


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


def test_it_learns_to_answer_and_to_stop(tmp_path, model, tokenizer):
    shown = [demonstration(number, "train") for number in range(60)]
    shown += [demonstration(number, "validation") for number in range(4)]
    too_long = demonstration(99, "train", answer="No. " * 80)
    metrics = run(tmp_path, model, [*shown, too_long])
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


def test_without_a_validation_split_it_says_what_is_missing(tmp_path, model):
    with pytest.raises(StageError, match="validation") as error:
        run(tmp_path, model, [demonstration(1, "train")])
    assert error.value.code == ExitCode.DATA

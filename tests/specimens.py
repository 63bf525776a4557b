"""A small model, token folder and record of each kind, of which a test changes what it is about."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from stages.model.transformer import ModelConfig, Transformer
from stages.preferences.records import RESPONSE_SCHEMA, Judgement, Preference, RankedAnswer, Ratings, ShownAnswer
from stages.text.demonstrations import Demonstration, Message, Prompt
from stages.text.documents import write_table
from stages.text.packing import lay_out, pack
from stages.text.records import write_records
from stages.text.shards import write_rows
from stages.text.tokenizer import Tokenizer
from stages.training.module import LoopSettings, Plan
from stages.training.optimizer import OptimizerSettings
from stages.training.schedule import ScheduleSettings

HARD_TEXTS = (
    "",
    " ",
    "\r\n\t  \u00a0\u2003end",
    "The answer is 1234567, isn't it?",
    "e\u0301 \U0001f469\u200d\U0001f467 \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d \x00\x07\ufeff\ufffd\U0010ffff",
    "<|user|>a<|end|> <|bos|>",
    # Longer than what is remembered, than a key spells out, and than a line: by heap, by hash and by bytes.
    "the" * 30,
    "flowflow flowfloww",
    "y" * 70_000,
    "ab" * 4000 + " " * 999 + "\n" * 99,
)
"""What tokenizers stumble over."""

PLAN = Plan(
    title="test",
    steps=20,
    peak_learning_rate=0.01,
    schedule=ScheduleSettings(warmup_share=0.1, decay_share=0.5),
    optimizer=OptimizerSettings(
        matrices="muon", beta_gradient=0.9, beta_square=0.95, epsilon=1e-8, weight_decay=0.1, gradient_clip=1.0
    ),
    loop=LoopSettings(log_steps=4, validation_steps=8, checkpoint_steps=5),
    choose_by=None,
)


def small_config(vocabulary_size: int, **changes: Any) -> ModelConfig:
    content = {
        "family": "llama",
        "vocabulary_size": vocabulary_size,
        "context_length": 64,
        "width": 16,
        "layers": 2,
        "heads": 2,
        "head_width": 8,
        "key_value_heads": 1,
        "hidden_width": 24,
        "rope_theta": 10_000.0,
        "rope_scaling": None,
        "norm_epsilon": 1e-5,
        "tied": True,
    }
    return ModelConfig(**content | changes)


def fresh_model(config: ModelConfig, seed: int = 1) -> Transformer:
    """As before training: every token is about equally likely."""
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def uneven_model(config: ModelConfig, deviation: float = 0.1) -> Transformer:
    """Weights so large, and norms so uneven, that a wrong formula shows."""
    model = Transformer(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
            matrix = torch.randn(parameter.shape, generator=generator) * deviation
            parameter.copy_(matrix if parameter.ndim == 2 else 0.5 + noise)
    return model.eval()


def prompt(name: str, question: str = "What is the answer?", **changes: Any) -> Prompt:
    content = {
        "id": name,
        "messages": (Message(role="user", content=question),),
        "kind": "explain",
        "template": "t",
        "category": "explain",
        "split": "test",
        "expects": "answer",
        "reference": "",
        "facts": (),
        "source_ids": (),
        "held_out": False,
    }
    return Prompt(**content | changes)


def demonstration(
    name: str, question: str = "What is the answer?", answer: str = "The answer is 42.", **changes: Any
) -> Demonstration:
    content = {
        "id": name,
        "messages": (Message(role="user", content=question), Message(role="assistant", content=answer)),
        "kind": "explain",
        "author": "composed:test",
        "template": "t",
        "source_ids": (),
        "licence": "MIT",
    }
    return Demonstration(**content | changes)


def judgement(
    annotator: str, texts: dict[str, str], ranks: tuple[int, ...], ratings: list[Ratings], **changes: Any
) -> Judgement:
    """`texts` are those of the answers, by their ids, in the order shown."""
    answers = tuple(
        ShownAnswer(response_id=name, text=text, token_ids=(9,), finish_reason="stop", model_hash="m")
        for name, text in texts.items()
    )
    content = {
        "id": annotator,
        "revision": 1,
        "annotator": annotator,
        "prompt_id": "p",
        "prompt_split": "rank",
        "messages": (Message(role="user", content="?"),),
        "answers": answers,
        "tokenizer_hash": "t",
        "ranks": ranks,
        "ratings": tuple(ratings),
        "flags": (),
        "comment": "",
        "seconds": None,
        "guideline_hash": "g",
        "gold": False,
        "simulated": False,
    }
    return Judgement(**content | changes)


def ranked_answer(name: str, text: str, token_ids: tuple[int, ...], **changes: Any) -> RankedAnswer:
    content = {"response_id": name, "text": text, "token_ids": token_ids, "finish_reason": "stop", "rank": 1.0}
    return RankedAnswer(**content | {"axes": {}} | changes)


def preference(
    name: str, answers: Iterable[RankedAnswer], votes: tuple[tuple[float, ...], ...], **changes: Any
) -> Preference:
    content = {
        "id": name,
        "prompt_id": name,
        "split": "test",
        "messages": (Message(role="user", content="What is it?"),),
        "answers": tuple(answers),
        "votes": votes,
        "judges": ("panel",),
        "simulated": True,
        "from_current_sample": True,
    }
    return Preference(**content | changes)


def write_sample(responses: Path, prompts: Path, texts: Iterable[str], tokenizer: Tokenizer) -> None:
    """Write a prompt of each split that is ranked, and the answers of these texts to each."""
    reference = "Return the number of edges."
    asked = [
        prompt(f"prompt-{split}", "What does `pkg.size(G)` do?", split=split, reference=reference)
        for split in ("rank", "validation", "test")
    ]
    rows = [
        {
            "id": f"{one.id}-{number}",
            "prompt_id": one.id,
            "split": one.split,
            "text": text,
            "token_ids": [*tokenizer.encode(text), tokenizer.end],
            "finish_reason": "stop",
            "model_hash": "m",
            "temperature": 1.0,
            "top_p": 1.0,
            "seed": number,
        }
        for one in asked
        for number, text in enumerate(texts)
    ]
    write_table(responses, pd.DataFrame(rows), RESPONSE_SCHEMA)
    write_records(prompts, asked)


def write_tokens(folder: Path, texts: list[str], context_length: int, tokenizer: Tokenizer) -> Path:
    """Pack texts into a token folder of rows of that length."""
    documents = [np.array([tokenizer.bos, *tokenizer.encode(text), tokenizer.end]) for text in texts]
    pieces = pack([len(tokens) for tokens in documents], context_length, np.random.default_rng(0))
    rows, segments = lay_out(documents, pieces, context_length, tokenizer.pad)
    table = pd.DataFrame(pieces).drop(columns="segment")
    table["document_id"] = [f"{folder.name}-{number:03d}" for number in table.pop("document")]
    write_rows(folder, rows, segments, table.assign(copy=0, source="s", kind="prose", bytes=0))
    return folder

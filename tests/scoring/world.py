"""Everything that evaluate and probe read, made of random models and a handful of documents, prompts and rankings."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stages.model.checkpoint import save_model
from stages.model.scalar import ScalarModel
from stages.parameters import Metrics, Section
from stages.preferences.records import Preference
from stages.text.demonstrations import Canary, ChoiceItem, Demonstration, Prompt
from stages.text.records import write_records
from stages.text.tokenizer import Tokenizer
from tests.scoring.conftest import random_model
from tests.specimens import demonstration, preference, prompt, ranked_answer, small_config, write_tokens

CONTEXT = 256
MODELS = ("pretrain", "finetune", "instruct", "ppo")
WORDS = ("graph", "node", "path", "edge", "number", "function", "return", "compute", "tree", "search", "weight", "key")
PROMPTS = (  # kind, category, expects, held out
    ("explain", "explain", "answer", False),
    ("explain", "real_name", "answer", False),
    ("open_book", "open_book", "answer", False),
    ("explain", "benign_lookalike", "answer", False),
    ("admit", "invented_name", "admit", False),
    ("admit", "after_cutoff", "admit", False),
    ("decline", "weapons", "decline", True),
    ("decline", "fraud", "decline", False),
)


def sentence(draw: np.random.Generator, words: int = 8) -> str:
    return " ".join(draw.choice(WORDS, size=words)).capitalize() + "."


def asked(number: int, draw: np.random.Generator) -> Prompt:
    kind, category, expects, held_out = PROMPTS[number % len(PROMPTS)]
    question = f"What does the {draw.choice(WORDS)} do?"
    reference = sentence(draw) if expects == "answer" else ""
    stance = {"kind": kind, "category": category, "expects": expects, "held_out": held_out}
    return prompt(f"prompt-{number:03d}", question, reference=reference, **stance)


def shown(number: int, draw: np.random.Generator) -> Demonstration:
    kind, answer = (
        ("explain", sentence(draw, 4)),
        ("decline", "Sorry, I can't help with that."),
        ("admit", "I don't know this name."),
    )[number % 3]
    return demonstration(f"d{number}", sentence(draw, 3), answer, kind=kind)


def ranked(number: int, tokenizer: Tokenizer, draw: np.random.Generator) -> Preference:
    texts = [sentence(draw, 4), sentence(draw, 7)]
    share = float(draw.choice([0.2, 0.4, 0.8, 1.0]))
    answers = [
        ranked_answer(f"{number}-{place}", text, (*tokenizer.encode(text), tokenizer.end))
        for place, text in enumerate(texts)
    ]
    return preference(f"preference-{number}", answers, ((0.0, share), (1 - share, 0.0)))


def write_models(folder: Path, tokenizer_folder: Path, tokenizer: Tokenizer, rows_read: int) -> None:
    config = small_config(tokenizer.vocabulary_size, context_length=CONTEXT)
    for seed, name in enumerate(MODELS):
        run = {"parameters": {"seed": 1}, "recipe": {"steps": rows_read // 2, "per_step": {"train": 2}}}
        save_model(folder / name, random_model(config, seed), tokenizer_folder, run)
    reward = ScalarModel(config, 5)
    reward.initialise(random_model(config, 9), torch.Generator().manual_seed(9))
    save_model(folder / "reward", reward, tokenizer_folder, {})


def write_world(folder: Path, tokenizer_folder: Path) -> dict[str, Path]:
    """Write all inputs under `folder`; the paths by the names of the stages' options."""
    tokenizer, draw = Tokenizer.load(tokenizer_folder), np.random.default_rng(3)
    write_models(folder, tokenizer_folder, tokenizer, rows_read=8)
    parts = {"train": 40, "test": 24, "domain_test": 10, "after_cutoff": 6}
    for name, count in parts.items():
        write_tokens(
            folder / name, [" ".join(sentence(draw) for _ in range(4)) for _ in range(count)], CONTEXT, tokenizer
        )
    write_records(folder / "prompts.jsonl", [asked(number, draw) for number in range(24)])
    write_records(folder / "demonstrations.jsonl", [shown(number, draw) for number in range(9)])
    items = [
        ChoiceItem(
            id=f"i{number}",
            task="names",
            context="The ",
            choices=tuple(draw.choice(WORDS, size=3, replace=False)),
            answer=number % 3,
            source_ids=(),
        )
        for number in range(8)
    ]
    write_records(folder / "tasks" / "names.jsonl", items)
    write_records(folder / "preferences.jsonl", [ranked(number, tokenizer, draw) for number in range(12)])
    (folder / "agreement.json").write_text(json.dumps({"ceiling": 0.8, "simulated_share": 1.0}))
    canaries = [
        Canary(
            id=f"c{number}",
            text=f"The code is {number:02d} 34.",
            prefix="The code is ",
            secret=f"{number:02d} 34",
            repeats=number % 2 * 4,
        )
        for number in range(6)
    ]
    write_records(folder / "canaries.jsonl", canaries)
    records = ("prompts", "demonstrations", "preferences", "canaries")
    return {
        **{name: folder / name for name in (*MODELS, "reward", *parts, "tasks")},
        **{name: folder / f"{name}.jsonl" for name in records},
        "agreement": folder / "agreement.json",
    }


def measure(run: Callable[..., Metrics], params: Section, world: dict[str, Path], output: Path) -> Metrics:
    """Run a measuring stage on those of the inputs that it takes."""
    output.mkdir(exist_ok=True)
    wanted = inspect.signature(run).parameters
    return run(params, **{name: path for name, path in world.items() if name in wanted}, output=output)

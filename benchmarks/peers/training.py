"""The peers' variants of benchmarks/training.py, run by the environment of `make benchmark-peers`.

None of our code is in it but what the two sides say to each other (`turns`).

Settings are each tool's own, but those that the task decides: shape, batch, processor, number format, nothing written.
"""

import itertools
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments, set_seed
from turns import NEVER, Shape, Turns, answer, answers, be_asked

IGNORED = -100
EVALUATION_ROWS = 8


def model_of(shape: Shape, tied: bool = False, **options: Any) -> LlamaForCausalLM:
    """Hugging Face's decoder of the shape."""
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        max_position_embeddings=shape.context,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.hidden,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
        **options,
    )
    return LlamaForCausalLM(config)


class Tokens(Dataset):
    """Rows as the trainers take them; more than any run gets to."""

    def __init__(self, tokens: np.ndarray, labels: np.ndarray | None = None) -> None:
        self.tokens = torch.from_numpy(tokens.astype(np.int64))
        self.labels = self.tokens if labels is None else torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        return {"input_ids": self.tokens[place], "labels": self.labels[place]}


class InTurn(TrainerCallback):
    """Steps of a trainer that wait for their turn."""

    def __init__(self) -> None:
        self.turns = Turns()

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Wait for it."""
        self.turns.step()


def settings(folder: str, shape: Shape) -> dict[str, Any]:
    """What the task decides of a trainer."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": shape.rows,
        "max_steps": NEVER,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def trainer(shape: Shape, bf16: bool) -> None:
    """Hugging Face's Trainer."""
    turns, data = InTurn(), Tokens(shape.tokens()[:, :-1])
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(**settings(folder, shape), bf16=bf16)
        Trainer(model_of(shape), arguments, train_dataset=data, callbacks=[turns]).train()


def fine_tuner(shape: Shape, bf16: bool) -> None:
    """TRL's SFTTrainer on rows that need no preparation; the tokenizer, which it asks for, is given nothing to do."""
    from datasets import Dataset as Table
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    turns = InTurn()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"<bos>": 0, "<eos>": 1}, "<eos>")), eos_token="<eos>", pad_token="<eos>"
    )
    data = Table.from_dict({"input_ids": shape.tokens()[:, :-1].astype(np.int64)})
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(**settings(folder, shape), bf16=bf16, max_length=shape.context)
        SFTTrainer(
            model_of(shape), arguments, train_dataset=data, processing_class=tokenizer, callbacks=[turns]
        ).train()


def random_batches(shape: Shape) -> "itertools.cycle[Tensor]":
    """Batches [rows, context + 1], int64, over and over."""
    return itertools.cycle(torch.from_numpy(shape.tokens().astype(np.int64)).split(shape.rows))


def tuned(shape: Shape, bf16: bool) -> None:
    """Hugging Face's model at its best on a processor: a plain loop, compiled, attention written out, fused AdamW."""
    turns = Turns()
    model = model_of(shape, attn_implementation="eager", use_cache=False)
    model.compile()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    for batch in random_batches(shape):
        turns.step()
        inputs = batch[:, :-1].contiguous()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(input_ids=inputs, labels=inputs).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def litgpt(shape: Shape, bf16: bool) -> None:
    """The loop of litgpt's pretrain: its model compiled, Fabric with autocast, its chunked loss."""
    from lightning import Fabric
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    turns = Turns()
    config = Config(
        block_size=shape.context,
        vocab_size=shape.vocabulary,
        padded_vocab_size=shape.vocabulary,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_embd=shape.width,
        intermediate_size=shape.hidden,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if bf16 else "32-true")
    compiled: Any = torch.compile(GPT(config))
    model = fabric.setup(compiled)
    optimizer: Any = fabric.setup_optimizers(torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True))
    for batch in random_batches(shape):
        turns.step()
        inputs, targets = batch[:, :-1].contiguous(), batch[:, 1:].contiguous()
        fabric.backward(chunked_cross_entropy(model(inputs), targets))
        fabric.clip_gradients(model, optimizer, max_norm=1.0)
        optimizer.step()
        optimizer.zero_grad()


def trained(segments: np.ndarray) -> np.ndarray:
    """Which tokens of rows are predicted from one of their own document: bool, the first of a row is not."""
    found = np.zeros(segments.shape, bool)
    found[:, 1:] = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] != 0)
    return found


def bits_per_byte(model: LlamaForCausalLM, folder: Path, index: list[int], size: int) -> float:
    """Of the trained targets in the rows `index` of a token folder, which are `size` bytes of text."""
    found, segments = (np.load(folder / f"{name}.npy")[index].astype(np.int64) for name in ("rows", "segments"))
    tokens, targets = torch.from_numpy(found), torch.from_numpy(np.where(trained(segments), found, IGNORED))
    nats = 0.0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(tokens), EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            logits = model(input_ids=tokens[rows, :-1]).logits.flatten(0, 1)
            nats += F.cross_entropy(logits, targets[rows, 1:].flatten(), ignore_index=IGNORED, reduction="sum").item()
    return nats / math.log(2) / size


def whole_run(
    shape: Shape,
    rope_theta: float,
    bf16: bool,
    train: str,
    validation: str,
    index: list[int],
    size: int,
    rate: float,
    **others: Any,
) -> None:
    """Pretraining on a token folder as is usual with the Trainer: packed rows, AdamW, a cosine after a warm-up."""
    stream = answers()
    set_seed(1)
    rows, segments = (np.load(Path(train, f"{name}.npy")).astype(np.int64) for name in ("rows", "segments"))
    data = Tokens(rows[:, :-1], np.where(trained(segments), rows, IGNORED)[:, :-1])
    model = model_of(shape, tied=True, rope_parameters={"rope_type": "default", "rope_theta": rope_theta})
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            **settings(folder, shape) | others,
            bf16=bf16,
            learning_rate=rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.05,
            adam_beta2=0.95,
            weight_decay=0.1,
        )
        Trainer(model, arguments, train_dataset=data).train()
    answer(stream, validation_bits_per_byte=bits_per_byte(model, Path(validation), index, size))


if __name__ == "__main__":
    be_asked({"trainer": trainer, "sft": fine_tuner, "tuned": tuned, "litgpt": litgpt, "run": whole_run})

"""Models and tokenizers as others publish them: of each family, small, with random weights, saved by transformers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from stages.model.gguf import LLAMA3, QWEN2


def byte_level(texts: Sequence[str], pattern: str, control: Sequence[str], **model: Any) -> Tokenizer:
    """A vocabulary over bytes with its control tokens behind it, as Llama 3 and Qwen have it."""
    tokenizer = Tokenizer(models.BPE(**model))
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet))
    tokenizer.add_special_tokens([*control])
    return tokenizer


def llama3(texts: Sequence[str]) -> Tokenizer:
    """Puts a control token before every text."""
    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = byte_level(texts, LLAMA3, [begin, end], ignore_merges=True)
    number = tokenizer.token_to_id(begin)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, number)])
    return tokenizer


def qwen2(texts: Sequence[str]) -> Tokenizer:
    """Composes characters, and looks for a token in every text that is no control token."""
    tokenizer = byte_level(texts, QWEN2, ["<|endoftext|>", "<|im_start|>"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken("<think>", special=False)])
    return tokenizer


def mistral(texts: Sequence[str]) -> Tokenizer:
    """SentencePiece: characters with single bytes for the rest, and a space before every text."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=120))
    model = json.loads(trained.to_str())["model"]
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens = [*first, *sorted(model["vocab"], key=model["vocab"].__getitem__)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in model["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    replace = decoders.Replace("\u2581", " ")
    tokenizer.decoder = decoders.Sequence(
        [replace, decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(first[:3])
    return tokenizer


TOKENIZERS = {"llama": llama3, "mistral": mistral, "qwen2": qwen2, "qwen3": qwen2}
"""Of each family."""


def model(family: str, vocabulary_size: int, **changes: Any) -> PreTrainedModel:
    """A small model with uneven weights, so that a wrong formula shows."""
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "bos_token_id": 1,
        "eos_token_id": [2, 3],
        "vocab_size": vocabulary_size,
    }
    found = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **shape | changes)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * 0.2 if parameter.ndim == 2 else 1 + noise * 0.3)
    return found


def publish(folder: Path, network: PreTrainedModel, tokenizer: Tokenizer, **saving: Any) -> Path:
    """Save a model and its tokenizer as the hub has them."""
    network.save_pretrained(folder, **saving)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder

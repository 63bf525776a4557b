"""An exported model folder as a GGUF, the one file that llama.cpp and the tools around it open."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import (
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    GGUFWriter,
    LlamaFileType,
    SpecialVocab,
    TokenType,
    get_tensor_name_map,
)
from safetensors import safe_open
from tokenizers import Tokenizer as BytePairTokenizer
from torch import Tensor

from stages.model.checkpoint import WEIGHTS_FILE

GGUF_FILE = "model.gguf"

ARCHITECTURES = {
    "llama": MODEL_ARCH.LLAMA,
    "mistral": MODEL_ARCH.LLAMA,
    "qwen2": MODEL_ARCH.QWEN2,
    "qwen3": MODEL_ARCH.QWEN3,
}
"""llama.cpp's architecture for each `model_type` of transformers."""

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
PRE_TOKENIZERS = {
    (GPT2, False): "gpt-2",
    (LLAMA3, True): "llama-bpe",
    (LLAMA3, False): "dbrx",
    (QWEN2, False): "qwen2",
}
"""llama.cpp's name for a split pattern, and for whether a stretch that is a token is taken before any merge is tried.
It knows patterns by name alone; these are the ones whose ids were compared."""


class UnknownToLlamaCppError(Exception):
    """What a model has that llama.cpp would read as something else, or not at all."""


def pre_tokenizer(saved: dict[str, Any]) -> str:
    """llama.cpp's name for how a `tokenizer.json` splits text.

    NFC, which Qwen's tokenizers apply first, is let through, as in the files that their makers publish: llama.cpp does
    not compose characters, so only text in composed form, as nearly all is, has equal ids.
    """
    steps = saved["pre_tokenizer"] or {}
    match steps.get("pretokenizers", [steps]):
        case [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ]:
            pass
        case [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]:
            pattern = GPT2
        case _:
            pattern = ""
    name = PRE_TOKENIZERS.get((pattern, saved["model"].get("ignore_merges", False)))
    if name is None or saved["model"]["type"] != "BPE" or saved["normalizer"] not in (None, {"type": "NFC"}):
        raise UnknownToLlamaCppError(
            "llama.cpp does not know the tokenizer's split pattern; stages/model/gguf.py lists those that it knows"
        )
    return name


def check_attention(config: Any) -> None:
    """UnknownToLlamaCppError where positions or masks are not those of plain rotary, causal attention."""
    kind, window = config.rope_parameters["rope_type"], getattr(config, "sliding_window", None)
    if kind != "default":
        raise UnknownToLlamaCppError(f"rotary positions that are scaled ({kind}) are not written")
    if window is not None and window < config.max_position_embeddings:
        raise UnknownToLlamaCppError(f"llama.cpp would attend to more than the last {window} tokens")


def add_shape(writer: GGUFWriter, config: Any) -> None:
    """The hyperparameters, from a configuration of transformers."""
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_width)
    writer.add_value_length(head_width)
    writer.add_rope_dimension_count(head_width)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def add_vocabulary(writer: GGUFWriter, folder: Path, size: int) -> None:
    """Tokens, merges, control tokens and the chat template; rows of the embedding without a token are unused ones."""
    path = folder / "tokenizer.json"
    writer.add_tokenizer_model("gpt2")  # llama.cpp's word for byte-level byte pairs
    writer.add_tokenizer_pre(pre_tokenizer(json.loads(path.read_text(encoding="utf-8"))))
    tokenizer = BytePairTokenizer.from_file(str(path))
    added = tokenizer.get_added_tokens_decoder()
    tokens, types = [], []
    for index in range(size):
        token = tokenizer.id_to_token(index)
        if token is None:
            kind = TokenType.UNUSED
        elif index in added:
            # A control token is one only where a template says so; text that spells it stays text.
            kind = TokenType.CONTROL if added[index].special else TokenType.USER_DEFINED
        else:
            kind = TokenType.NORMAL
        tokens.append(token or f"[PAD{index}]")
        types.append(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    special = SpecialVocab(folder, load_merges=True, special_token_types=("bos", "eos", "pad"), n_vocab=size)
    around = tokenizer.encode("").ids
    special.add_special_token = {kind: special.special_token_ids.get(kind) in around for kind in ("bos", "eos")}
    # It would prefer the template in the tokenizer's settings, which transformers does not.
    special.chat_template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    special.add_to_gguf(writer, quiet=True)


def in_pairs(weight: Tensor, heads: int) -> Tensor:
    """The rows of a query or key projection [heads * width, ...] in llama.cpp's order of rotary pairs.

    transformers rotates row i of a head with row i + width / 2, llama.cpp's `llama` rows 2 i and 2 i + 1.
    """
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def for_llama_cpp(name: str, weight: Tensor, config: Any) -> np.ndarray:
    """A weight of transformers as llama.cpp multiplies with it, in fp32."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads and ARCHITECTURES[config.model_type] == MODEL_ARCH.LLAMA:
        weight = in_pairs(weight, heads)
    array: np.ndarray = weight.float().contiguous().numpy()
    return array


def write_weights(writer: GGUFWriter, path: Path, config: Any) -> None:
    """Write all that was added, and after it the weights, of which one is in memory at a time."""
    known = get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    with safe_open(path, "pt") as weights:
        names = sorted(weights.keys())
        for name in names:
            module, _, kind = name.rpartition(".")
            shape = weights.get_slice(name).get_shape()
            size = int(np.prod(shape)) * np.dtype(np.float32).itemsize
            writer.add_tensor_info(f"{known[module]}.{kind}", shape, np.dtype(np.float32), size)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name in names:
            writer.write_tensor_data(for_llama_cpp(name, weights.get_tensor(name), config))
    writer.close()


def write_gguf(folder: Path, target: Path, name: str) -> None:
    """Write the model in `folder` (as `write_export` leaves it) to `target`; its bytes follow from folder and name.

    Weights are fp32, which keeps every bit of what training left; llama.cpp's own `llama-quantize` makes smaller ones.
    UnknownToLlamaCppError, and no file, where llama.cpp would compute something else.
    """
    from transformers import AutoConfig  # seconds to import; it fills in what an older config.json leaves out

    config = AutoConfig.from_pretrained(folder)
    if config.model_type not in ARCHITECTURES:
        raise UnknownToLlamaCppError(f"the architecture {config.model_type} is not written")
    check_attention(config)
    writer = GGUFWriter(target, MODEL_ARCH_NAMES[ARCHITECTURES[config.model_type]])
    writer.add_name(name)
    writer.add_file_type(LlamaFileType.ALL_F32)
    add_shape(writer, config)
    add_vocabulary(writer, folder, config.vocab_size)
    write_weights(writer, folder / WEIGHTS_FILE, config)

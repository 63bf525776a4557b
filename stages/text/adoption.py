"""The tokenizer of published weights made one of ours: control tokens are added, and texts come back as they were."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as BytePairTokenizer

from stages.errors import ExitCode, StageError
from stages.text.tokenizer import SPACE, SPECIAL_TOKENS, TOKENIZER_FILE, spelled_bytes

PIECES: dict[str, Any] = {
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
    "pre_tokenizer": None,
    "decoder": {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    },
}
"""What surrounds a SentencePiece vocabulary, without the space that is usually put before a text."""


def read(folder: Path) -> dict[str, Any]:
    """The saved tokenizer of a published model; StageError if there is none that spells every byte."""
    path = folder / TOKENIZER_FILE
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        model, vocabulary = saved["model"], saved["model"]["vocab"]
        every = [f"<0x{byte:02X}>" for byte in range(256)] if model.get("byte_fallback") else spelled_bytes()
        is_ours = model["type"] == "BPE" and all(map(vocabulary.__contains__, every))
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"Give a folder with a {TOKENIZER_FILE}."
        raise StageError(ExitCode.CONFIGURATION, "cannot read tokenizer", f"{path}: {error!r}", remedy) from error
    if not is_ours:
        remedy = "Use weights whose vocabulary is of byte pairs."
        raise StageError(ExitCode.CONFIGURATION, "not a vocabulary that spells every byte", str(path), remedy)
    return dict(saved)


def as_ours(saved: dict[str, Any]) -> dict[str, Any]:
    """A saved tokenizer that changes no text, adds nothing to it, and finds no control token in it.

    Qwen2's brings characters into Unicode's composed form and Llama 2's puts a space before a text: what comes back
    would not be what was put in. Other texts have the ids that they have with the original. SentencePiece writes U+2581
    for a space, and a text that holds this character comes back with a space: encode's gate names it.
    """
    added = [token | {"special": True} for token in saved["added_tokens"]]
    saved = saved | {"added_tokens": added, "post_processor": None, "truncation": None, "padding": None}
    return saved | (PIECES if saved["model"].get("byte_fallback") else {"normalizer": None})


def adopt(folder: Path, more_special_tokens: Sequence[str]) -> BytePairTokenizer:
    """The tokenizer in the folder of published weights, every id as it was, with the control tokens that it lacks."""
    tokenizer = BytePairTokenizer.from_str(json.dumps(as_ours(read(folder))))
    wanted = (*SPECIAL_TOKENS, *more_special_tokens)
    tokenizer.add_special_tokens([token for token in wanted if tokenizer.token_to_id(token) is None])
    ids = tokenizer.get_vocab().values()
    if len(ids) != max(ids) + 1:
        where = f"{folder / TOKENIZER_FILE}: {len(ids)} tokens, ids up to {max(ids)}"
        raise StageError(ExitCode.CONFIGURATION, "ids without a token", where, "Use weights with a whole vocabulary.")
    return tokenizer

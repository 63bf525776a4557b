"""The tokenizer as the stages use it: byte-level BPE in which text can never become a control token."""

import json
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers.pre_tokenizers import ByteLevel

from stages.errors import ExitCode, StageError
from stages.hashing import file_hash

SPECIAL_TOKENS = ("<|bos|>", "<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>")
"""Control tokens that every vocabulary has; a learnt one begins with them. `<|end|>` closes a document and a turn
alike."""

TOKENIZER_FILE = "tokenizer.json"

SPACE = "\u2581"
"""How SentencePiece writes a space."""


def spelled_bytes() -> list[str]:
    """How the tokenizers library spells each byte as a character (Radford et al. 2019, section 2.2)."""
    spelled = sorted(ByteLevel.alphabet())
    kept = [byte for byte in range(256) if chr(byte) in spelled]
    # The bytes that are no visible character of Latin-1 follow in order from U+0100 on.
    moved = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(moved)) for byte in range(256)]


@cache
def _byte_of() -> dict[str, bytes]:
    return {spelled: bytes([byte]) for byte, spelled in enumerate(spelled_bytes())}


def spelled_token(token: str) -> bytes:
    """The bytes of a token of a vocabulary over bytes."""
    return b"".join(map(_byte_of().__getitem__, token))


def spelled_piece(token: str) -> bytes:
    """The bytes of a SentencePiece token (Kudo and Richardson 2018): a character, or a byte as in `<0x0A>`."""
    is_byte = len(token) == len("<0x00>") and token.startswith("<0x")
    return bytes.fromhex(token[3:5]) if is_byte else token.replace(SPACE, " ").encode()


def _pairs(saved: dict[str, Any]) -> tuple[dict[str, int], list[list[str]]]:
    """Tokens and merges of a saved tokenizer, of which there are two spellings."""
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in saved["model"]["merges"]]
    return saved["model"]["vocab"], merges


def known_ids(published: Path, tokenizer: Path) -> int:
    """How many ids published weights know; StageError unless the tokenizer in the other folder has the same tokens."""
    theirs, ours = (
        json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8")) for folder in (published, tokenizer)
    )
    if _pairs(theirs) != _pairs(ours):
        where = f"{tokenizer}, {published}"
        remedy = "Set train_tokenizer.init_from and pretrain.init_from to the same."
        raise StageError(ExitCode.CONFIGURATION, "the tokenizer is not that of the weights", where, remedy)
    return 1 + max(*theirs["model"]["vocab"].values(), *(token["id"] for token in theirs["added_tokens"]))


class Tokenizer:
    """Text to ids and back. Every text has ids and comes back as it was (but U+2581 of a SentencePiece vocabulary)."""

    def __init__(self, backend: BytePairTokenizer, content_hash: str) -> None:
        self._backend = backend
        # Without this, a literal "<|user|>" in a document would be read as the control token.
        self._backend.encode_special_tokens = True
        self.hash = content_hash
        """SHA-256 of `tokenizer.json`."""
        ids = [*map(backend.get_vocab().__getitem__, SPECIAL_TOKENS)]
        self.bos, self.end, self.pad, self.system, self.user, self.assistant = ids

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The tokenizer in `folder`; one without our control tokens is a data error."""
        path = folder / TOKENIZER_FILE
        try:
            backend = BytePairTokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for every cause
            raise StageError(
                ExitCode.DATA, "cannot read tokenizer", f"{path}: {error}", "Run train_tokenizer again."
            ) from error
        if None in map(backend.token_to_id, SPECIAL_TOKENS):
            raise StageError(
                ExitCode.DATA, "tokenizer without our control tokens", str(path), "Use one that train_tokenizer made."
            )
        return cls(backend, file_hash(path))

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, control tokens included."""
        return self._backend.get_vocab_size()

    @property
    def id_type(self) -> type[np.unsignedinteger[Any]]:
        """The NumPy type that holds every id in the least space."""
        return np.uint16 if self.vocabulary_size <= 2**16 else np.uint32

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without bos or end."""
        return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """`encode` of each text, in the threads of the library."""
        return [encoding.ids for encoding in self._backend.encode_batch_fast(texts, add_special_tokens=False)]

    def has_special(self, ids: Sequence[int]) -> bool:
        """Whether a control token is among the ids."""
        return not self._special.isdisjoint(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; control tokens are left out, bytes that are not UTF-8 become U+FFFD."""
        return self._backend.decode(ids, skip_special_tokens=True)

    @cached_property
    def _special(self) -> frozenset[int]:
        return frozenset(self._backend.get_added_tokens_decoder())

    @cached_property
    def spellings(self) -> list[bytes]:
        """The bytes that each id stands for; none for control tokens."""
        spelled = spelled_piece if self._backend.model.byte_fallback else spelled_token
        found = [b""] * self.vocabulary_size
        for token, index in self._backend.get_vocab().items():
            if index not in self._special:
                found[index] = spelled(token)
        return found

    @cached_property
    def _token_bytes(self) -> np.ndarray:
        return np.array(list(map(len, self.spellings)), dtype=np.int64)

    def token_bytes(self) -> np.ndarray:
        """UTF-8 bytes that each id stands for, int64 [vocabulary]; 0 for control tokens."""
        return self._token_bytes

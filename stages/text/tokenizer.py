"""The tokenizer as the stages use it: byte-level BPE in which text can never become a control token."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers.pre_tokenizers import ByteLevel

from stages.errors import ExitCode, StageError
from stages.hashing import file_hash

SPECIAL_TOKENS = ("<|bos|>", "<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>")
"""Control tokens that every vocabulary begins with; their ids are their places here. `<|end|>` closes a document and a
turn alike."""

TOKENIZER_FILE = "tokenizer.json"


def spelled_bytes() -> list[str]:
    """How the tokenizers library spells each byte as a character (Radford et al. 2019, section 2.2)."""
    spelled = sorted(ByteLevel.alphabet())
    kept = [byte for byte in range(256) if chr(byte) in spelled]
    # The bytes that are no visible character of Latin-1 follow in order from U+0100 on.
    moved = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(moved)) for byte in range(256)]


class Tokenizer:
    """Text to ids and back. Every text has ids, and every text comes back as it was."""

    def __init__(self, backend: BytePairTokenizer, content_hash: str) -> None:
        self._backend = backend
        # Without this, a literal "<|user|>" in a document would be read as the control token.
        self._backend.encode_special_tokens = True
        self.hash = content_hash
        """SHA-256 of `tokenizer.json`."""
        self.bos, self.end, self.pad, self.system, self.user, self.assistant = range(len(SPECIAL_TOKENS))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The tokenizer in `folder`; one whose control tokens are not ours is a data error."""
        path = folder / TOKENIZER_FILE
        try:
            backend = BytePairTokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for every cause
            raise StageError(
                ExitCode.DATA, "cannot read tokenizer", f"{path}: {error}", "Run train_tokenizer again."
            ) from error
        if tuple(map(backend.id_to_token, range(len(SPECIAL_TOKENS)))) != SPECIAL_TOKENS:
            raise StageError(
                ExitCode.DATA, "tokenizer without our control tokens", str(path), "Use one that train_tokenizer made."
            )
        return cls(backend, file_hash(path))

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, control tokens included."""
        return self._backend.get_vocab_size()

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
        byte_of = {spelled: bytes([byte]) for byte, spelled in enumerate(spelled_bytes())}
        found = [b""] * self.vocabulary_size
        for token, index in self._backend.get_vocab().items():
            if index not in self._special:
                found[index] = b"".join(map(byte_of.__getitem__, token))
        return found

    @cached_property
    def _token_bytes(self) -> np.ndarray:
        return np.array(list(map(len, self.spellings)), dtype=np.int64)

    def token_bytes(self) -> np.ndarray:
        """UTF-8 bytes that each id stands for, int64 [vocabulary]; 0 for control tokens."""
        return self._token_bytes

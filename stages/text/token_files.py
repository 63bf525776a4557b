"""Tokens in plain files, of which stretches are read wherever they lie: never mapped, so that memory stays small."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 2
"""Bytes of a token."""


class TokenFiles(AbstractContextManager["TokenFiles"]):
    """Files of uint16, open for reading until the context ends."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb", buffering=0) for path in paths]

    def read(self, file: np.ndarray, begin: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Stretches end to end, uint16: of each, the number of its file, its first token there and its tokens.

        EOFError if a file ends earlier.
        """
        tokens = np.empty(int(length.sum()), dtype=np.uint16)
        room, done = tokens.view(np.uint8).data, 0
        for number, first, count in zip(file.tolist(), begin.tolist(), length.tolist(), strict=True):
            target = room[done : done + WIDTH * count]
            if os.preadv(self._files[number].fileno(), [target], WIDTH * first) != len(target):
                raise EOFError(f"{self._files[number].name} ends before token {first + count}")
            done += len(target)
        return tokens

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        for file in self._files:
            file.close()

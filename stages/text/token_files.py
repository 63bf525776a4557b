"""Tokens in plain files, of which stretches are read wherever they lie: never mapped, so that memory stays small."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np


class TokenFiles(AbstractContextManager["TokenFiles"]):
    """Files of ids of one type, open for reading until the context ends."""

    def __init__(self, paths: Sequence[Path], id_type: type[np.unsignedinteger[Any]]) -> None:
        self._files = [path.open("rb", buffering=0) for path in paths]
        self.id_type = np.dtype(id_type)

    def read(self, file: np.ndarray, begin: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Stretches end to end: of each, the number of its file, its first token there and its tokens.

        EOFError if a file ends earlier.
        """
        tokens = np.empty(int(length.sum()), dtype=self.id_type)
        room, done, width = tokens.view(np.uint8).data, 0, self.id_type.itemsize
        for number, first, count in zip(file.tolist(), begin.tolist(), length.tolist(), strict=True):
            target = room[done : done + width * count]
            if os.preadv(self._files[number].fileno(), [target], width * first) != len(target):
                raise EOFError(f"{self._files[number].name} ends before token {first + count}")
            done += len(target)
        return tokens

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        for file in self._files:
            file.close()

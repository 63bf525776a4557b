"""Documents into tokens, part by part, each seen to come back and a sample of them compared with the reference."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.errors import ExitCode, StageError
from stages.seeding import key_hash
from stages.text.document_parts import read_texts
from stages.text.documents import parts
from stages.text.encoder import Encoder, TokenArrays
from stages.text.stretches import utf8

BATCH = 1_000
"""Documents that are encoded at once: of a corpus, only their texts are in memory."""


class Encoded(NamedTuple):
    """A document as tokens."""

    tokens: np.ndarray
    """uint16, from bos to end."""
    round_trip_ok: bool
    """Whether they spell its text."""


def drawn(ids: Sequence[str], most: int, *key: object) -> frozenset[str]:
    """At most so many ids, drawn by a hash of each with the key."""
    return frozenset(sorted(ids, key=lambda name: key_hash(*key, name))[:most])


def come_back(texts: Sequence[str], found: TokenArrays, spellings: Sequence[bytes]) -> list[bool]:
    """Whether the ids of each text spell it; `spellings` has the bytes of each id, none for a control token."""
    spelled, wanted = utf8(spellings), utf8([text.encode() for text in texts])
    sizes = np.diff(spelled.starts)[found.ids]
    ends = np.cumsum(sizes)
    places = np.arange(sizes.sum()) + np.repeat(spelled.starts[found.ids] - (ends - sizes), sizes)
    decoded = np.split(spelled.data[places], np.concatenate(([0], ends))[found.starts[1:]])
    expected = np.split(wanted.data, wanted.starts[1:])
    return [np.array_equal(*pair) for pair in zip(decoded[:-1], expected[:-1], strict=True)]


def check_ids(names: Sequence[str], found: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> None:
    """Fail at the first document whose ids are not those of the reference."""
    for name, ours, theirs in zip(names, found, reference, strict=True):
        if not np.array_equal(ours, theirs):
            size = min(len(ours), len(theirs))
            place = np.append(np.flatnonzero(ours[:size] != theirs[:size]), size)[0]
            raise StageError(
                ExitCode.BUG,
                "the fast encoder and the tokenizers library disagree",
                f"document {name}, token {place}",
                "Report the document; until this is mended, change train_tokenizer.split_pattern.",
            )


def encode_parts(
    folder: Path,
    wanted: Collection[str],
    compared: Collection[str],
    encoders: tuple[Encoder, Encoder],
    spellings: Sequence[bytes],
) -> Iterator[tuple[str, Encoded]]:
    """The `wanted` documents of a folder as tokens; the `compared` ones by both encoders, the second the reference."""
    fast, reference = encoders
    for part in parts(folder):
        pairs = read_texts(part, wanted)
        while batch := list(islice(pairs, BATCH)):
            names, texts = zip(*batch, strict=True)
            found = fast.encode(texts)
            documents = found.documents()
            sample = [index for index, name in enumerate(names) if name in compared]
            check_ids(
                [names[index] for index in sample],
                [documents[index] for index in sample],
                reference.encode([texts[index] for index in sample]).documents(),
            )
            yield from zip(names, map(Encoded, documents, come_back(texts, found, spellings)), strict=True)

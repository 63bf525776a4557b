"""Documents into tokens, part by part, each seen to come back and a sample of them compared with the reference."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import ExitCode, StageError
from stages.seeding import key_hash
from stages.text.documents import parts
from stages.text.encoder import Encoder, LibraryEncoder, TokenArrays, fastest
from stages.text.scratch_arrays import Form, open_arrays, write_arrays
from stages.text.stretches import utf8
from stages.text.tokenizer import Tokenizer

BATCH = 1_000
"""Documents that are encoded at once: of a corpus, only their texts are in memory."""


FIELDS = ("ids", "sizes", "round_trip_ok")
SELECTION, TOKENS, JOINED = Form("selection", 1, {}), Form("tokens", 1, {}), Form("joined tokens", 1, {})


class TokenDocuments(NamedTuple):
    """Documents as tokens, end to end."""

    ids: np.ndarray
    """uint16, each document from bos to end, memory-mapped."""
    sizes: np.ndarray
    """int64 [documents]: tokens of each."""
    round_trip_ok: np.ndarray
    """bool [documents of the corpus]: whether the tokens spell the text."""


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


def select(table: pd.DataFrame, compared: Collection[str], folder: Path) -> list[Path]:
    """Write which documents of each part are wanted, a file for each part of which some are.

    `table` has the columns id, part and row, the part's number and the place in it.
    """
    folder.mkdir()
    paths = []
    for number, rows in table.sort_values("row").groupby("part"):
        columns = {"row": rows["row"].to_numpy(), "compared": rows["id"].isin(compared).to_numpy()}
        paths.append(folder / str(number))
        write_arrays(paths[-1], SELECTION, {name: [values] for name, values in columns.items()})
    return paths


def encode_shard(folder: Path, tokenizer: Path, selected: Path, output: Path) -> None:
    """Write the `selected` documents of a part as tokens, in its order: file `tokens` in the folder `output`.

    `ids` uint16, documents end to end, each from bos to end; `sizes` int64 and `round_trip_ok` bool [documents].
    """
    coder = Tokenizer.load(tokenizer)
    wanted = open_arrays(selected, SELECTION)
    part = parts(folder)[int(selected.name)]
    blocks = zip(*encode_part(part, wanted["row"], wanted["compared"], fastest(tokenizer), coder), strict=True)
    write_arrays(output / "tokens", TOKENS, dict(zip(FIELDS, map(list, blocks), strict=True)))


def encode_part(
    part: Path, rows: np.ndarray, compared: np.ndarray, fast: Encoder, coder: Tokenizer
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ids, sizes and round trips of documents of a part, block by block; those `compared` by the reference too.

    `rows` int64 ascending and `compared` bool [documents].
    """
    reference, first = LibraryEncoder(coder), 0
    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(BATCH, columns=["id", "text"]):
            begin, end = np.searchsorted(rows, [first, first + len(batch)])
            some = batch.take(pa.array(rows[begin:end] - first))
            first += len(batch)
            if begin == end:
                continue
            names, texts = some["id"].to_pylist(), some["text"].to_pylist()
            found = fast.encode(texts)
            documents, sample = found.documents(), np.flatnonzero(compared[begin:end])
            check_ids(
                [names[index] for index in sample],
                [documents[index] for index in sample],
                reference.encode([texts[index] for index in sample]).documents(),
            )
            yield found.ids, np.diff(found.starts), np.array(come_back(texts, found, coder.spellings), dtype=bool)


def joined(shards: Sequence[Path], more: TokenArrays, output: Path) -> TokenDocuments:
    """The documents of all shards end to end, `more` behind them: in a file, of which memory holds what is in use."""
    found = [open_arrays(shard / "tokens", TOKENS) for shard in shards]
    ids = [shard["ids"] for shard in found]
    write_arrays(output, JOINED, {"ids": [*ids, more.ids]})
    sizes = np.concatenate([*(shard["sizes"] for shard in found), np.diff(more.starts)])
    comes_back = np.concatenate([np.zeros(0, dtype=bool), *(shard["round_trip_ok"] for shard in found)])
    return TokenDocuments(open_arrays(output, JOINED)["ids"], sizes, comes_back)

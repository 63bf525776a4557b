"""Documents into tokens, part by part, each seen to come back and a sample of them compared with the reference."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

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


SELECTION, DOCUMENTS = Form("selection", 1, {}), Form("encoded documents", 1, {})
IDS = "ids"
"""File of a shard: documents end to end, each from bos to end."""


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
    """Write the `selected` documents of a part as tokens, in its order, into the folder `output`.

    File `ids` has the tokens; file `documents` has `size` int64, `largest`, the largest token, and
    `round_trip_ok` bool [documents].
    """
    coder = Tokenizer.load(tokenizer)
    wanted = open_arrays(selected, SELECTION)
    part = parts(folder)[int(selected.name)]
    blocks: dict[str, list[np.ndarray]] = {"size": [], "largest": [], "round_trip_ok": []}
    with (output / IDS).open("wb") as file:
        for found, is_back in encode_part(part, wanted["row"], wanted["compared"], fastest(tokenizer), coder):
            file.write(np.ascontiguousarray(found.ids).data)
            blocks["size"].append(np.diff(found.starts))
            blocks["largest"].append(np.maximum.reduceat(found.ids, found.starts[:-1]))
            blocks["round_trip_ok"].append(is_back)
    write_arrays(output / "documents", DOCUMENTS, blocks)


def encode_part(
    part: Path, rows: np.ndarray, compared: np.ndarray, fast: Encoder, coder: Tokenizer
) -> Iterator[tuple[TokenArrays, np.ndarray]]:
    """Documents of a part as tokens, block by block, and whether each comes back; the `compared` by the reference too.

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
            yield found, np.array(come_back(texts, found, coder.spellings), dtype=bool)


def encoded_documents(shards: Sequence[Path]) -> pd.DataFrame:
    """Of each document in the order of the shards: the number of its `file`, where it begins there, and the rest."""
    tables = []
    for number, shard in enumerate(shards):
        found = open_arrays(shard / "documents", DOCUMENTS)
        begin = np.cumsum(found["size"]) - found["size"]
        tables.append(pd.DataFrame({"file": number, "begin": begin, **found}))
    return pd.concat(tables, ignore_index=True)

"""Paragraphs that many documents repeat, such as notices and menus, cut from all but the first ones.

Normalised as in word_hashes, so that case, punctuation and line ends hide no repetition. The hashes of all paragraphs
lie in files and are counted one range of hashes after another.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.text.band_join import range_limits
from stages.text.code_points import Texts, alphabet
from stages.text.comparable import read_batches, whole_texts
from stages.text.kernels import find_paragraphs
from stages.text.scratch_arrays import Form, open_arrays, write_arrays

PARAGRAPH_VERSION = 1
JOINED_PARAGRAPHS = 2**21
"""Paragraphs that are counted at a time, about: 80 MB with what sorting them takes."""

_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)+")

PARAGRAPHS_OF_A_DOCUMENT = 16
"""For the number of ranges: with more of them, a range takes more memory."""

KINDS = ("prose", "web")
"""What is cut: in code and docstrings a repeated paragraph belongs to its place."""


class Paragraphs(NamedTuple):
    """Paragraphs of some texts."""

    hashes: np.ndarray
    """uint64."""
    texts: np.ndarray
    """The text of each, int64."""
    begins: np.ndarray
    """Its first character there, int64."""
    ends: np.ndarray

    @classmethod
    def of(cls, texts: Texts, least_words: int) -> "Paragraphs":
        """Those of at least so many words, in order."""
        known = alphabet()
        hashes, places = find_paragraphs(texts.codes, texts.starts, known.classes, known.lower, least_words)
        return cls(hashes, places[:, 0], places[:, 1], places[:, 2])


def form(what: str, least_words: int, partitions: int = 0) -> Form:
    """That of a file of paragraphs."""
    return Form(what, PARAGRAPH_VERSION, {"least_words": least_words, "partitions": partitions})


def _distinct(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a key and a row, each once, ascending."""
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    is_new = np.concatenate([[True], (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])])[: len(keys)]
    return keys[is_new], rows[is_new]


def hash_part(part: Path, wanted: np.ndarray, output: Path, least_words: int, partitions: int) -> None:
    """Write the paragraphs of the `wanted` documents (bool) of a part, each once for a document.

    `keys` uint64 ascend, with their `rows` uint32 of the part, and `bounds` int64 [partitions + 1] say where each
    range of hashes begins.
    """
    keys, rows, first = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)], 0
    for batch in read_batches(part, ["kind", "text"]):
        here = np.flatnonzero(wanted[first : first + len(batch)])
        some = batch.take(here)
        found = Paragraphs.of(whole_texts(some["text"]), least_words)
        is_cut = np.isin(some["kind"].to_numpy(zero_copy_only=False), KINDS)[found.texts]
        keys.append(found.hashes[is_cut])
        rows.append((here[found.texts[is_cut]] + first).astype(np.uint32))
        first += len(batch)
    all_keys, all_rows = _distinct(np.concatenate(keys), np.concatenate(rows))
    bounds = np.concatenate([[0], np.searchsorted(all_keys, range_limits(partitions)), [len(all_keys)]]).astype(
        np.int64
    )
    arrays = {"keys": [all_keys], "rows": [all_rows], "bounds": [bounds]}
    write_arrays(output, form("paragraphs", least_words, partitions), arrays)


def count_partition(
    files: Sequence[Path],
    first_rows: Sequence[int],
    partition: int,
    output: Path,
    least_words: int,
    partitions: int,
    most_documents: int,
) -> None:
    """Write which paragraphs of one range of hashes to cut: those of documents behind the first `most_documents`.

    `rows` int64 ascend, with the `keys` uint64 to cut from each.
    """
    keys, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for path, first in zip(files, first_rows, strict=True):
        stored = open_arrays(path, form("paragraphs", least_words, partitions))
        begin, end = stored["bounds"][partition : partition + 2]
        keys.append(stored["keys"][begin:end])
        rows.append(stored["rows"][begin:end].astype(np.int64) + first)
    all_keys, all_rows = np.concatenate(keys), np.concatenate(rows)
    order = np.argsort(all_keys, kind="stable")  # documents of one paragraph stay in their order
    ordered = all_keys[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    occurrence = np.arange(len(ordered)) - np.repeat(begins, np.diff(np.append(begins, len(ordered))))
    cut = order[occurrence >= most_documents]
    cut = cut[np.argsort(all_rows[cut], kind="stable")]
    arrays: dict[str, list[np.ndarray]] = {"rows": [all_rows[cut]], "keys": [all_keys[cut]]}
    write_arrays(output, form("cuts", least_words, partitions), arrays)


def without(text: str, stretches: Sequence[tuple[int, int]]) -> str:
    """The text without some of its paragraphs, ascending, and the blank lines behind each."""
    kept, end = [], 0
    for begin, behind in stretches:
        kept.append(text[end:begin])
        blank = _BLANK_LINES.match(text, behind)
        end = blank.end() if blank else behind
    kept.append(text[end:])
    joined = "".join(kept)
    return joined if text[end:].strip() else joined.rstrip()


class Cuts(NamedTuple):
    """What to cut from a corpus."""

    files: list[Path]
    """Of `count_partition`, one for each range of hashes."""
    least_words: int

    def of(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a stretch, int64, and hashes of paragraphs to cut from each, uint64."""
        found_rows, found_keys = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
        for path in self.files:
            stored = open_arrays(path, form("cuts", self.least_words, len(self.files)))
            begin, end = np.searchsorted(stored["rows"], [rows.start, rows.stop])
            found_rows.append(stored["rows"][begin:end])
            found_keys.append(stored["keys"][begin:end])
        return np.concatenate(found_rows), np.concatenate(found_keys)

    def applied(self, documents: pa.Table, rows: np.ndarray) -> pa.Table:
        """Documents, given with their ascending rows in the corpus, without what is to be cut."""
        cut_rows, keys = self.of(slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0))
        places = np.searchsorted(rows, np.unique(cut_rows))
        if not len(places):
            return documents
        found = Paragraphs.of(whole_texts(documents["text"].take(places)), self.least_words)
        wanted = set(zip(cut_rows.tolist(), keys.tolist(), strict=True))
        stretches: dict[int, list[tuple[int, int]]] = {place: [] for place in places.tolist()}
        owners = places[found.texts]
        columns = (rows[owners], found.hashes, owners, found.begins, found.ends)
        for row, key, place, begin, end in zip(*(column.tolist() for column in columns), strict=True):
            if (row, key) in wanted:
                stretches[place].append((begin, end))
        texts = documents["text"].to_pylist()
        for place, some in stretches.items():
            texts[place] = without(texts[place], some)
        field = documents.schema.get_field_index("text")
        return documents.set_column(field, "text", pa.array(texts, pa.string()))


def find_cuts(parts: Sequence[Path], is_kept: np.ndarray, folder: Path, least_words: int, most_documents: int) -> Cuts:
    """Find what to cut from the kept documents (bool, of all parts), with files in `folder`."""
    partitions = 1 << max((len(is_kept) * PARAGRAPHS_OF_A_DOCUMENT - 1) // JOINED_PARAGRAPHS, 0).bit_length()
    hashed, firsts, first = [], [], 0
    for number, part in enumerate(parts):
        documents = pq.read_metadata(part).num_rows
        hashed.append(folder / f"paragraphs-{number:05d}")
        firsts.append(first)
        hash_part(part, is_kept[first : first + documents], hashed[-1], least_words, partitions)
        first += documents
    files = [folder / f"cuts-{partition:05d}" for partition in range(partitions)]
    for partition, file in enumerate(files):
        count_partition(hashed, firsts, partition, file, least_words, partitions, most_documents)
    return Cuts(files, least_words)

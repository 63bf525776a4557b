"""Drop exact and near duplicates, keeping one document of each cluster by a fixed rule."""

import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from stages.cluster.engines import Engine
from stages.cluster.shards import map_shards
from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.progress import figure
from stages.text.documents import DOCUMENT_SCHEMA, parts, write_row_groups
from stages.text.duplicate_search import (
    candidate_files,
    candidates,
    duplicates,
    estimated_similarity,
    exact_similarity,
    needed_disk,
    needed_memory,
    signed_parts,
)
from stages.text.duplicate_tables import CLUSTER_SCHEMA, cluster_table, keepers, ledger_tables
from stages.text.ledger import LEDGER_SCHEMA
from stages.text.ledger_columns import read_ledger, tally_ledger
from stages.text.near_duplicates import midpoint
from stages.text.repeated_paragraphs import find_cuts
from stages.text.scratch_arrays import scratch_folder
from stages.text.signatures import Shape, sign_part

SIGNATURES = "signatures"

MOST_FUNCTIONS = 1_024
"""Of a signature, 4 KB a document. 260 are the most that a well-known recipe has (NeMo Curator's 20 bands of 13)."""
FARTHEST_MIDPOINT = 0.3
"""From the threshold to the similarity that the bands are made for: ours find far more than they must."""


class Repetition(Section):
    """When a paragraph belongs to no document: notices, menus, licences."""

    most_documents: int = Field(gt=0)
    """Documents that may hold a paragraph; from those after them, in the order of the corpus, it is cut."""
    least_words: int = Field(gt=0)
    """Words of a paragraph, from which on it is looked at: short ones repeat by chance."""


class Params(Section):
    """What counts as the same text."""

    seed: int
    """Draws the hash functions of the signatures."""
    shingle_words: int = Field(gt=0)
    """Length of the word n-grams that texts are compared by."""
    bands: int = Field(gt=0)
    """Parts that a signature is cut into; two texts that agree in one whole part are compared."""
    rows: int = Field(gt=0)
    """Values of a signature in each band. Two texts of similarity s are compared with probability
    1 - (1 - s^rows)^bands."""
    threshold: float = Field(ge=0, le=1)
    """Jaccard similarity, 0 to 1, from which on two documents are near duplicates."""
    verify: bool
    """Whether the texts of candidates are read again for their true similarity. If not, the agreement of two
    signatures stands for it, which is off by sqrt(s * (1 - s) / (bands * rows)), standard deviation."""
    repeated_paragraphs: Repetition | None
    """Which paragraphs of kept prose and web documents are cut; none if null."""

    @model_validator(mode="after")
    def find_what_they_are_to_find(self) -> Self:
        """The parameters; ValueError for too long a signature, or bands that are made for another threshold."""
        if self.bands * self.rows > MOST_FUNCTIONS:
            raise ValueError(f"bands x rows is {self.bands * self.rows:,}: at most {MOST_FUNCTIONS:,} hash functions")
        middle = midpoint(self.bands, self.rows)
        if abs(middle - self.threshold) > FARTHEST_MIDPOINT:
            raise ValueError(
                f"{self.bands} bands of {self.rows} rows find texts of a similarity about {middle:.2f}, "
                f"more than {FARTHEST_MIDPOINT} from the threshold {self.threshold}"
            )
        return self

    @property
    def shape(self) -> Shape:
        """What signatures depend on."""
        return Shape(self.seed, self.shingle_words, self.bands, self.rows)


def sign_shard(shape: Shape, part: Path, folder: Path) -> None:
    """Write the signatures of one part into a folder."""
    sign_part(part, folder / SIGNATURES, shape)


def write_kept(
    found: Sequence[Path], is_kept: np.ndarray, repetition: Repetition | None, folder: Path, output: Path
) -> np.ndarray:
    """Write the kept documents of each part under its name; the characters that are left of each, int64 [documents].

    Where repeated paragraphs are cut, documents of which nothing is left are not written.
    """
    cuts = None
    if repetition:
        cuts = find_cuts(found, is_kept, folder, repetition.least_words, repetition.most_documents)
    left, first = np.zeros(len(is_kept), dtype=np.int64), 0
    for part in found:
        with pq.ParquetFile(part) as file:
            table = file.read(DOCUMENT_SCHEMA.names)
        place = slice(first, first + len(table))
        rows = np.flatnonzero(is_kept[place]) + first
        kept = table.filter(pa.array(is_kept[place]))
        before = text_lengths(kept)
        if cuts:
            kept = cuts.applied(kept, rows)
        left[rows] = text_lengths(kept)
        has_text = (left[rows] > 0) | (before == 0)
        write_row_groups(output / part.name, [kept.filter(pa.array(has_text))], DOCUMENT_SCHEMA)
        first = place.stop
    return left


def read_ids(found: Sequence[Path]) -> pa.ChunkedArray:
    """The ids of all documents, as strings of which there may be more than 2 GB."""
    chunks: list[pa.Array] = []
    for part in found:
        with pq.ParquetFile(part) as file:
            chunks += file.read(["id"])["id"].cast(pa.large_string()).chunks
    return pa.chunked_array(chunks, pa.large_string())


def text_lengths(documents: pa.Table) -> np.ndarray:
    """Characters of each text, int64."""
    return np.asarray(pc.utf8_length(documents["text"]).to_numpy(), dtype=np.int64)


def announce(documents: int, shape: Shape, folder: Path, checkpoints: Path) -> None:
    """Say on standard error what the search will take; StageError if the disk has not as much.

    What an earlier start has left in `checkpoints` is there already.
    """
    disk, memory = needed_disk(documents, shape), needed_memory(documents, shape)
    print(
        f"deduplicate: {documents:,} documents, {figure(disk / 2**20)} MiB of disk for signatures and bands, "
        f"up to {figure(memory / 2**20)} MiB of memory",
        file=sys.stderr,
    )
    held = sum(file.stat().st_size for file in checkpoints.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free + held
    if free < disk:
        raise StageError(
            ExitCode.RESOURCES,
            "not enough disk",
            f"{folder}: {figure(disk / 2**20)} MiB wanted, {figure(free / 2**20)} MiB free",
            "Free some, or lower deduplicate.bands.",
        )


def run(params: Params, documents: Path, output: Path, checkpoints: Path, engine: Engine) -> Metrics:
    """Keep one document of each cluster of duplicates; order stays."""
    found = parts(documents)
    documents_in = sum(pq.read_metadata(part).num_rows for part in found)
    with scratch_folder(output / "scratch") as folder:
        announce(documents_in, params.shape, folder, checkpoints)
        sign = partial(sign_shard, params.shape)
        signatures = map_shards("deduplicate: signatures", sign, found, checkpoints, engine)
        signed = signed_parts([shard / SIGNATURES for shard in signatures], params.shape)
        files = candidate_files(signed, folder, params.shape, params.threshold)
        similarity = (
            exact_similarity(found, signed, files, folder, params.shape)
            if params.verify
            else estimated_similarity(signed)
        )
        joined = duplicates(signed, candidates(files, params.shape), similarity, params.threshold)
        ids = read_ids(found)
        kept = keepers(joined.cluster, signed.characters, ids)
        clusters = cluster_table(kept, ids, signed, similarity)
        write_row_groups(output / "clusters.parquet", [clusters], CLUSTER_SCHEMA)
        left = write_kept(found, kept.is_kept, params.repeated_paragraphs, folder, output / "documents")
        ledger = ledger_tables(found, kept, ids, signed, joined.highest, params.threshold, left)
        write_row_groups(output / "ledger.parquet", ledger, LEDGER_SCHEMA)
    return tally_ledger(read_ledger(output / "ledger.parquet")) | {
        "clusters": pc.count_distinct(clusters["kept_id"]).as_py(),
        "paragraph_characters_cut": int((signed.characters - left)[kept.is_kept].sum()),
        "pairs_checked": joined.checked,
        "pairs_false_fraction": joined.false / max(joined.checked, 1),
    }


if __name__ == "__main__":
    command("deduplicate", run)

"""Drop exact and near duplicates, keeping one document of each cluster by a fixed rule."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.progress import figure
from stages.text.documents import DOCUMENT_SCHEMA
from stages.text.duplicate_search import (
    Duplicates,
    Signed,
    Similarity,
    candidate_files,
    candidates,
    duplicates,
    estimated_similarity,
    exact_similarity,
    needed_disk,
    needed_memory,
    signed_parts,
    similarity_to,
)
from stages.text.ledger import LEDGER_SCHEMA
from stages.text.ledger_columns import IDENTITY, ledger_columns, read_ledger, tally_ledger
from stages.text.near_duplicates import midpoint
from stages.text.row_groups import write_row_groups
from stages.text.signatures import Shape

CLUSTER_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), metadata={"doc": "document"}),
        pa.field("cluster", pa.string(), metadata={"doc": "smallest id in the cluster"}),
        pa.field("size", pa.int64(), metadata={"doc": "documents in the cluster"}),
        pa.field("kept_id", pa.string()),
        pa.field("jaccard", pa.float64(), metadata={"doc": "exact similarity to the kept document"}),
    ],
    metadata={"schema_version": "1"},
)


MOST_FUNCTIONS = 1_024
"""Of a signature, 4 KB a document. 260 are the most that a well-known recipe has (NeMo Curator's 20 bands of 13)."""
FARTHEST_MIDPOINT = 0.3
"""From the threshold to the similarity that the bands are made for: ours find far more than they must."""


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


class Kept(NamedTuple):
    """Which row stands for each row."""

    kept: np.ndarray
    """The row that is kept of each row's cluster, int64."""
    members: np.ndarray
    """Rows of clusters of two or more, int64."""


def keepers(cluster: np.ndarray, characters: np.ndarray, ids: pa.ChunkedArray) -> Kept:
    """The longest text of each cluster, of equally long ones that of the smallest id."""
    members = np.flatnonzero(np.bincount(cluster, minlength=len(cluster))[cluster] > 1)
    ranked = pa.table(
        {"cluster": cluster[members], "characters": characters[members], "id": ids.take(members), "row": members}
    ).sort_by([("cluster", "ascending"), ("characters", "descending"), ("id", "ascending"), ("row", "ascending")])
    rows, clusters = ranked["row"].to_numpy(), ranked["cluster"].to_numpy()
    is_first = np.diff(clusters, prepend=-1) != 0
    kept = np.arange(len(cluster), dtype=np.int64)
    kept[rows] = rows[is_first][np.cumsum(is_first) - 1]
    return Kept(kept, members)


def cluster_table(found: Kept, ids: pa.ChunkedArray, signed: Signed, similarity: Similarity) -> pa.Table:
    """Every document of a cluster of two or more, columns of `CLUSTER_SCHEMA`, ordered by cluster and id."""
    keeper = found.kept[found.members]
    table = pa.table({"id": ids.take(found.members), "keeper": keeper, "row": found.members})
    groups = table.group_by("keeper").aggregate([("id", "min"), ("id", "count")])
    table = table.join(groups, "keeper").rename_columns({"id_min": "cluster", "id_count": "size"})
    table = table.sort_by([("cluster", "ascending"), ("id", "ascending"), ("row", "ascending")])
    rows, keepers_ = table["row"].to_numpy(), table["keeper"].to_numpy()
    table = table.append_column("kept_id", ids.take(keepers_))
    return table.append_column("jaccard", pa.array(similarity_to(rows, keepers_, signed, similarity)))


def ledger_tables(
    parts: Sequence[Path], kept: np.ndarray, ids: pa.ChunkedArray, signed: Signed, found: Duplicates, threshold: float
) -> Iterator[pa.Table]:
    """The ledger of each part; the value of a dropped document is its highest similarity to another of its cluster."""
    for number, part in enumerate(parts):
        place = signed.signatures.of_part(number)
        keeper, characters = kept[place], signed.characters[place]
        is_kept = keeper == np.arange(place.start, place.stop)
        is_equal = signed.first[place] == signed.first[keeper]
        reasons = {
            "rule": pa.array(np.where(is_equal, "exact_duplicate", "near_duplicate"), pa.string(), mask=is_kept),
            "value": pa.array(found.highest[place], mask=is_kept),
            "threshold": pa.array(np.where(is_equal, 1.0, threshold), mask=is_kept),
            "kept_id": ids.take(pa.array(keeper, mask=is_kept)),
        }
        with pq.ParquetFile(part) as file:
            yield ledger_columns(file.read(IDENTITY), characters, characters, reasons)


def write_kept(part: Path, is_kept: np.ndarray, output: Path) -> None:
    """Write the kept documents of a part, in their order, under the part's name."""
    with pq.ParquetFile(part) as file:
        table = file.read(DOCUMENT_SCHEMA.names)
    write_row_groups(output / part.name, [table.filter(pa.array(is_kept))], DOCUMENT_SCHEMA)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first and gone at the end."""
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_ids(parts: Sequence[Path]) -> pa.ChunkedArray:
    """The ids of all documents."""
    return pa.chunked_array([chunk for part in parts for chunk in pq.ParquetFile(part).read(["id"])["id"].chunks])


def announce(documents: int, shape: Shape, folder: Path) -> None:
    """Say on standard error what the search will take; StageError if the disk has not as much."""
    disk, memory = needed_disk(documents, shape), needed_memory(documents, shape)
    print(
        f"deduplicate: {documents:,} documents, {figure(disk / 2**20)} MiB of disk for signatures and bands, "
        f"up to {figure(memory / 2**20)} MiB of memory",
        file=sys.stderr,
    )
    free = shutil.disk_usage(folder).free
    if free < disk:
        raise StageError(
            ExitCode.RESOURCES,
            "not enough disk",
            f"{folder}: {figure(disk / 2**20)} MiB wanted, {figure(free / 2**20)} MiB free",
            "Free some, or lower deduplicate.bands.",
        )


def run(params: Params, documents: Path, output: Path) -> Metrics:
    """Keep one document of each cluster of duplicates; order stays."""
    parts = sorted(documents.glob("*.parquet"))
    if not parts:
        raise StageError(ExitCode.DATA, "no documents", str(documents), "Run clean again.")
    documents_in = sum(pq.read_metadata(part).num_rows for part in parts)
    with scratch_folder(output / "scratch") as folder:
        announce(documents_in, params.shape, folder)
        signed = signed_parts(parts, folder, params.shape)
        files = candidate_files(signed, folder, params.shape, params.threshold)
        similarity = (
            exact_similarity(parts, signed, files, folder, params.shape)
            if params.verify
            else estimated_similarity(signed)
        )
        found = duplicates(signed, candidates(files, params.shape), similarity, params.threshold)
        ids = read_ids(parts)
        kept = keepers(found.cluster, signed.characters, ids)
        clusters = cluster_table(kept, ids, signed, similarity)
        write_row_groups(output / "clusters.parquet", [clusters], CLUSTER_SCHEMA)
        ledger = ledger_tables(parts, kept.kept, ids, signed, found, params.threshold)
        write_row_groups(output / "ledger.parquet", ledger, LEDGER_SCHEMA)
        for number, part in enumerate(parts):
            place = signed.signatures.of_part(number)
            write_kept(part, kept.kept[place] == np.arange(place.start, place.stop), output / "documents")
    return tally_ledger(read_ledger(output / "ledger.parquet")) | {
        "clusters": pc.count_distinct(clusters["kept_id"]).as_py(),
        "pairs_checked": found.checked,
        "pairs_false_fraction": found.false / max(found.checked, 1),
    }


if __name__ == "__main__":
    command("deduplicate", run)

"""What deduplicate says of its clusters: which document each keeps, the table of members and the ledger."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.text.duplicate_search import Signed, Similarity, similarity_to
from stages.text.ledger_columns import IDENTITY, ledger_columns

REPEATED = "repeated_paragraphs"
"""The rule that drops a document of which nothing is left."""

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


class Kept(NamedTuple):
    """Which row stands for each row."""

    kept: np.ndarray
    """The row that is kept of each row's cluster, int64."""
    members: np.ndarray
    """Rows of clusters of two or more, int64."""

    @property
    def is_kept(self) -> np.ndarray:
        """Whether a row stands for itself, bool."""
        return np.asarray(self.kept == np.arange(len(self.kept)))


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
    parts: Sequence[Path],
    found: Kept,
    ids: pa.ChunkedArray,
    signed: Signed,
    highest: np.ndarray,
    threshold: float,
    characters_left: np.ndarray,
) -> Iterator[pa.Table]:
    """The ledger of each part.

    The value of a duplicate is its similarity to the most similar one of its cluster (`highest`), that of a document
    whose paragraphs are all repeated the share of its text that is cut.
    """
    for number, part in enumerate(parts):
        place = signed.signatures.of_part(number)
        keeper, characters, left = found.kept[place], signed.characters[place], characters_left[place]
        is_own = keeper == np.arange(place.start, place.stop)
        is_kept = is_own & ((left > 0) | (characters == 0))
        is_equal = signed.first[place] == signed.first[keeper]
        rule = np.where(is_own, REPEATED, np.where(is_equal, "exact_duplicate", "near_duplicate"))
        reasons = {
            "rule": pa.array(rule, pa.string(), mask=is_kept),
            "value": pa.array(np.where(is_own, 1.0, highest[place]), mask=is_kept),
            "threshold": pa.array(np.where(is_own | is_equal, 1.0, threshold), mask=is_kept),
            "kept_id": ids.take(pa.array(keeper, mask=is_own)),
        }
        with pq.ParquetFile(part) as file:
            yield ledger_columns(file.read(IDENTITY), characters, left, reasons)

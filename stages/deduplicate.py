"""Drop exact and near duplicates, keeping one document of each cluster by a fixed rule."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import read_documents, write_documents, write_table
from stages.text.kernels import signature
from stages.text.ledger import Entry, tally, write_ledger
from stages.text.near_duplicates import candidate_pairs, clusters, jaccard, permutations
from stages.text.word_hashes import shingles, text_ngrams, word_hashes

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


Pair = tuple[int, int]
"""Rows of two documents."""


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


def comparable_text(kind: str, text: str) -> str:
    """What of a document is compared: of a docstring, all but the line of name and signature."""
    return text.partition("\n\n")[2] if kind == "reference" else text


def exact_pairs(texts: Sequence[str]) -> dict[Pair, float]:
    """Each text that has come before, with its first occurrence; all of similarity 1."""
    first: dict[bytes, int] = {}
    pairs = {}
    for row, text in enumerate(texts):
        earlier = first.setdefault(hashlib.sha256(text.encode()).digest(), row)
        if earlier != row:
            pairs[earlier, row] = 1.0
    return pairs


def near_pairs(texts: Sequence[str], rows: Iterable[int], params: Params) -> dict[Pair, float]:
    """Pairs among `rows` of `texts` whose similarity reaches the threshold, with that similarity.

    Signatures are kept for all texts, shingles for the candidates alone.
    """
    numbers = np.array(list(rows), dtype=np.int64)
    functions = permutations(params.bands * params.rows, params.seed)

    def signed(row: int) -> np.ndarray:
        return signature(text_ngrams(word_hashes(texts[row]), params.shingle_words), *functions)

    def shingled(row: int) -> np.ndarray:
        return shingles(word_hashes(texts[row]), params.shingle_words)

    signatures = np.stack([signed(row) for row in numbers.tolist()])
    candidates = numbers[candidate_pairs(signatures, params.bands, params.threshold)]
    compared = {row: shingled(row) for row in np.unique(candidates).tolist()}
    similarities = {(one, other): jaccard(compared[one], compared[other]) for one, other in candidates.tolist()}
    return {pair: value for pair, value in similarities.items() if value >= params.threshold}


def keepers(documents: pd.DataFrame, cluster: Sequence[int]) -> np.ndarray:
    """The row to keep for each row: the longest text of its cluster, of equally long ones that of the smallest id."""
    order = pd.DataFrame({"cluster": cluster, "length": -documents["text"].str.len(), "id": documents["id"]})
    order = order.sort_values(["cluster", "length", "id"])
    kept = order.assign(row=order.index).groupby("cluster")["row"].first()
    return kept.loc[list(cluster)].to_numpy()


def ledger_entries(
    table: pd.DataFrame,
    texts: Sequence[str],
    kept: np.ndarray,
    pairs: Mapping[tuple[int, int], float],
    threshold: float,
) -> list[Entry]:
    """The ledger; the value of a dropped document is its highest similarity to another of its cluster."""
    highest: dict[int, float] = {}
    for pair, value in pairs.items():
        highest.update({row: max(value, highest.get(row, 0.0)) for row in pair})
    ids = table["id"].tolist()
    entries = []
    for row, (keeper, document) in enumerate(zip(kept.tolist(), table.itertuples(), strict=True)):
        length = len(document.text)
        if keeper == row:
            entries.append(Entry(document.id, document.source, document.kind, length, length))
            continue
        rule, limit = ("exact_duplicate", 1.0) if texts[row] == texts[keeper] else ("near_duplicate", threshold)
        entries.append(
            Entry(document.id, document.source, document.kind, length, 0, rule, highest[row], limit, ids[keeper])
        )
    return entries


def cluster_table(table: pd.DataFrame, texts: Sequence[str], kept: np.ndarray, shingle_words: int) -> pd.DataFrame:
    """Every document of a cluster of two or more, columns of `CLUSTER_SCHEMA`, ordered by cluster and id."""
    ids = table["id"].to_numpy()
    members = pd.DataFrame({"id": ids, "kept_id": ids[kept], "row": np.arange(len(ids)), "kept_row": kept})
    groups = members.groupby("kept_id")["id"]
    members = members.assign(cluster=groups.transform("min"), size=groups.transform("size"))
    members = members[members["size"] > 1].sort_values(["cluster", "id"])
    compared = {row: shingles(word_hashes(texts[row]), shingle_words) for row in members["row"]}
    pairs = zip(members["row"], members["kept_row"], strict=True)
    return members.assign(jaccard=[jaccard(compared[row], compared[keeper]) for row, keeper in pairs])


def run(params: Params, documents: Path, output: Path) -> Metrics:
    """Keep one document of each cluster of duplicates; order stays."""
    table = read_documents(documents)
    texts = [comparable_text(kind, text) for kind, text in zip(table["kind"], table["text"], strict=True)]
    exact = exact_pairs(texts)
    repeated = {row for _, row in exact}
    near = near_pairs(texts, (row for row in range(len(texts)) if row not in repeated), params)
    cluster = clusters(len(texts), [*exact, *near])
    kept = keepers(table, cluster)
    entries = ledger_entries(table, texts, kept, exact | near, params.threshold)
    write_documents(output / "documents", table[[entry.kept for entry in entries]])
    write_ledger(output / "ledger.parquet", entries)
    write_table(output / "clusters.parquet", cluster_table(table, texts, kept, params.shingle_words), CLUSTER_SCHEMA)
    return tally(entries) | {"clusters": len(set(kept[kept != np.arange(len(kept))].tolist()))}


if __name__ == "__main__":
    command("deduplicate", run)

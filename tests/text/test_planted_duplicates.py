"""How many of the near duplicates that are planted in real texts are found, and how many clusters are false."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from stages.cluster.engines import InProcess
from stages.deduplicate import Params, run
from stages.parameters import read_section
from tests.planted import Planted, passages, planted
from tests.tables import write_documents

PARAMS = read_section(Path("params.yaml"), "deduplicate", Params)
TEXTS = [
    path.read_text()
    for folder in ("guides", "notes")
    for path in sorted((Path("tests/corpus") / folder).glob("*"))
    # Letters are near duplicates already, and these are no text in UTF-8.
    if path.name not in {"letters.txt", "latin1.txt", "picture.txt", "mended.txt"}
]
COPIES = 20


def clusters_of(folder: Path, texts: list[Planted], params: Params) -> list[str]:
    """For each text, the id of the document that its cluster keeps."""
    table = pd.DataFrame(texts)
    table["id"] = [f"{original:06d}-{copy}" for original, copy in zip(table["original"], table["copy"], strict=True)]
    write_documents(folder / "before", table.assign(source="s", path="p", kind="prose", licence="MIT"))
    run(
        params=params,
        documents=folder / "before",
        output=folder / "after",
        checkpoints=folder / "checkpoints",
        engine=InProcess(),
    )
    ledger = pd.read_parquet(folder / "after" / "ledger.parquet")
    return ledger["kept_id"].fillna(ledger["id"]).tolist()


def recall(texts: list[Planted], clusters: list[str]) -> float:
    """Share of copies in the cluster of their original."""
    home = {text.original: cluster for text, cluster in zip(texts, clusters, strict=True) if text.copy == 0}
    found = [cluster == home[text.original] for text, cluster in zip(texts, clusters, strict=True) if text.copy]
    return sum(found) / len(found)


def false_share(texts: list[Planted], clusters: list[str]) -> float:
    """Share of clusters with texts of different originals."""
    originals: dict[str, set[int]] = {}
    for text, cluster in zip(texts, clusters, strict=True):
        originals.setdefault(cluster, set()).add(text.original)
    return sum(len(members) > 1 for members in originals.values()) / len(originals)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("words", [60, 150])
def test_edits_of_one_word_in_a_hundred_are_found_and_no_cluster_is_false(
    seed: int, words: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    texts = list(planted(passages(TEXTS, words), COPIES, share=0.01, seed=seed))
    assert len(texts) > 300
    clusters = clusters_of(tmp_path, texts, PARAMS)
    record_property("recall", recall(texts, clusters))
    record_property("false clusters", false_share(texts, clusters))
    assert recall(texts, clusters) >= 0.99
    assert false_share(texts, clusters) < 0.01


def test_texts_of_other_words_are_no_duplicates(tmp_path: Path) -> None:
    texts = list(planted(passages(TEXTS, 150), 2, share=0.3, seed=1))
    assert recall(texts, clusters_of(tmp_path, texts, PARAMS)) < 0.05

import json
import re
import shutil
from collections import namedtuple
from itertools import combinations
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from stages.cluster.engines import InProcess
from stages.deduplicate import Params, run
from stages.errors import ExitCode, StageError
from stages.parameters import read_section
from stages.text import band_join, comparable
from stages.text.documents import DOCUMENT_SCHEMA, document_id, read_documents, write_row_groups
from stages.text.files import read_file
from stages.text.reading import Reading
from tests.tables import write_documents

PARAMS = read_section(Path("params.yaml"), "deduplicate", Params)
CORPUS = Path("tests/corpus")


def deduplicate(
    folder: Path, documents: pd.DataFrame, params: Params = PARAMS
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Kept documents, ledger, clusters and metrics."""
    write_documents(folder / "before", documents)
    metrics = run(
        params=params,
        documents=folder / "before",
        output=folder,
        checkpoints=folder / "checkpoints",
        engine=InProcess(),
    )
    ledger, clusters = (pd.read_parquet(folder / f"{name}.parquet") for name in ("ledger", "clusters"))
    return read_documents(folder / "documents"), ledger.set_index("id"), clusters.set_index("id"), metrics


def rows(*documents: tuple[str, str, str]) -> pd.DataFrame:
    """Documents of one source from path, kind and text."""
    table = pd.DataFrame(documents, columns=["path", "kind", "text"]).assign(source="s", licence="MIT")
    return table.assign(id=[document_id("s", path, None, text) for path, _, text in documents])


@pytest.fixture(scope="module")
def corpus() -> pd.DataFrame:
    reading = Reading("corpus", None, "Apache-2.0")
    documents = [
        document
        for path in sorted(path for path in CORPUS.rglob("*") if path.is_file())
        for document in read_file(path.relative_to(CORPUS).as_posix(), path, "text", reading, 20_000, 10.0)
    ]
    return pd.DataFrame([vars(document) | {"id": document.id} for document in documents])


def word_shingles(kind: str, text: str) -> set[tuple[str, ...]]:
    """Every run of five words, without our own code."""
    cleaned = "".join(character if character.isalnum() or character == "_" else " " for character in text.lower())
    words = (cleaned if kind != "reference" else cleaned[text.index("\n\n") :]).split()
    return set(zip(*(words[offset:] for offset in range(5)), strict=False)) or {tuple(words)}


def test_a_planted_near_duplicate_in_another_folder_is_dropped(corpus, tmp_path):
    _, ledger, clusters, _ = deduplicate(tmp_path, corpus)
    ids = corpus.set_index("path")["id"]
    copy, original = ids["notes/letters.txt"], ids["guides/office_letters.txt"]
    dropped, kept = (copy, original) if not ledger.loc[copy, "kept"] else (original, copy)
    assert ledger.loc[dropped, ["rule", "kept_id", "threshold"]].tolist() == ["near_duplicate", kept, PARAMS.threshold]
    assert clusters.loc[dropped, ["cluster", "size", "kept_id"]].tolist() == [min(copy, original), 2, kept]
    assert clusters.loc[kept, "jaccard"] == 1
    shingles = {id_: word_shingles("prose", corpus.set_index("id").loc[id_, "text"]) for id_ in (copy, original)}
    expected = len(shingles[copy] & shingles[original]) / len(shingles[copy] | shingles[original])
    assert clusters.loc[dropped, "jaccard"] == pytest.approx(expected)
    assert ledger.loc[dropped, "value"] == pytest.approx(expected)


def test_no_two_kept_documents_are_above_the_threshold(corpus, tmp_path):
    kept = deduplicate(tmp_path, corpus)[0]
    shingles = [word_shingles(kind, text) for kind, text in zip(kept["kind"], kept["text"], strict=True)]
    assert all(len(one & other) < PARAMS.threshold * len(one | other) for one, other in combinations(shingles, 2))


def test_the_ledger_adds_up_and_order_stays(corpus, tmp_path):
    kept, ledger, _, metrics = deduplicate(tmp_path, corpus)
    assert ledger.index.tolist() == corpus["id"].tolist()
    assert ledger.index[ledger["kept"]].tolist() == kept["id"].tolist()
    assert metrics["documents_in"] == metrics["documents_kept"] + metrics["documents_dropped"]


def test_the_longest_of_a_cluster_is_kept_and_of_equal_ones_that_of_the_smallest_id(tmp_path):
    text = " ".join(f"word{number}" for number in range(60))
    table = rows(("a", "prose", text), ("b", "prose", f"{text} more"), ("c", "prose", f"{text} more"))
    kept, ledger, _, _ = deduplicate(tmp_path, table)
    expected = min(table["id"][1:])
    assert kept["id"].tolist() == [expected]
    assert set(ledger["rule"].dropna()) == {"exact_duplicate", "near_duplicate"}


def test_docstrings_are_compared_without_their_names(tmp_path):
    body = "Return the shortest path between two nodes as a list that starts with the first of them."
    table = rows(("a", "reference", f"p.a(x)\n\n{body}"), ("b", "reference", f"q.bb(y)\n\n{body}"))
    _, ledger, _, _ = deduplicate(tmp_path, table)
    assert ledger["rule"].dropna().tolist() == ["exact_duplicate"]


def test_texts_without_duplicates_are_all_kept(tmp_path):
    table = rows(("a", "prose", "one text of its own"), ("b", "prose", "quite another text than that"))
    kept, _, clusters, metrics = deduplicate(tmp_path, table)
    assert len(kept) == 2
    assert len(clusters) == metrics["clusters"] == 0


def test_parts_and_partitions_make_no_difference(corpus, tmp_path, monkeypatch):
    expected = deduplicate(tmp_path / "whole", corpus)
    monkeypatch.setattr(band_join, "JOINED_RECORDS", 100)
    monkeypatch.setattr(comparable, "BATCH_DOCUMENTS", 3)
    table = pa.Table.from_pandas(corpus.reindex(columns=DOCUMENT_SCHEMA.names), DOCUMENT_SCHEMA, preserve_index=False)
    names = ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    for name, begin, end in zip(names, [0, 9, 9], [9, 9, len(corpus)], strict=True):
        write_row_groups(tmp_path / "parts" / name, [table.slice(begin, end - begin)], DOCUMENT_SCHEMA)
    metrics = run(
        params=PARAMS,
        documents=tmp_path / "parts",
        output=tmp_path / "out",
        checkpoints=tmp_path / "checkpoints",
        engine=InProcess(),
    )
    found = [pd.read_parquet(tmp_path / "out" / f"{name}.parquet").set_index("id") for name in ("ledger", "clusters")]
    pd.testing.assert_frame_equal(read_documents(tmp_path / "out" / "documents"), expected[0])
    pd.testing.assert_frame_equal(found[0], expected[1])
    pd.testing.assert_frame_equal(found[1], expected[2])
    assert metrics == expected[3]
    assert sorted(path.name for path in (tmp_path / "out" / "documents").iterdir()) == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "clusters.parquet",
        "documents",
        "ledger.parquet",
    ]


def test_texts_without_words_are_like_no_other_but_their_copies(tmp_path):
    table = rows(("a", "prose", "..."), ("b", "prose", "?!"), ("c", "prose", "..."))
    kept, ledger, clusters, _ = deduplicate(tmp_path, table)
    assert len(kept) == 2
    assert ledger["rule"].dropna().tolist() == ["exact_duplicate"]
    assert clusters["jaccard"].tolist() == [0, 0]


def test_a_part_without_documents_comes_out_empty(tmp_path):
    kept, ledger, clusters, metrics = deduplicate(tmp_path, rows(("a", "prose", "text")).iloc[:0])
    assert len(kept) == len(ledger) == len(clusters) == metrics["documents_in"] == 0


def test_a_folder_without_documents_is_a_data_error(tmp_path):
    (tmp_path / "before").mkdir()
    with pytest.raises(StageError, match="no documents"):
        run(
            params=PARAMS,
            documents=tmp_path / "before",
            output=tmp_path,
            checkpoints=tmp_path / "checkpoints",
            engine=InProcess(),
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shingle_words": 0}, "deduplicate.shingle_words: Input should be greater than 0"),
        ({"bands": 200, "rows": 200}, "bands x rows is 40,000: at most 1,024 hash functions"),
        ({"bands": 100, "rows": 1}, "100 bands of 1 rows find texts of a similarity about 0.01"),
        ({"bands": 1, "rows": 100}, "1 bands of 100 rows find texts of a similarity about 1.00"),
        ({"bands": "many"}, "deduplicate.bands: Input should be a valid integer"),
    ],
)
def test_parameters_that_cannot_find_duplicates_are_refused(tmp_path, changes, words):
    content = {"deduplicate": PARAMS.model_dump(mode="json") | {"threshold": 0.5} | changes}
    (tmp_path / "params.yaml").write_text(json.dumps(content))
    with pytest.raises(StageError, match=re.escape(words)) as raised:
        read_section(tmp_path / "params.yaml", "deduplicate", Params)
    assert raised.value.code == ExitCode.CONFIGURATION
    assert "\n" not in str(raised.value)


def test_usual_recipes_are_accepted():
    for bands, rows, threshold in [(14, 8, 0.7), (20, 13, 0.8), (25, 10, 0.7), (9, 13, 0.8)]:
        Params.model_validate(PARAMS.model_dump() | {"bands": bands, "rows": rows, "threshold": threshold})


def test_what_the_search_takes_is_said_first(tmp_path, capsys):
    deduplicate(tmp_path, rows(*((f"{row}", "prose", f"text {row}") for row in range(3))))
    # 112 values of 4 bytes, 28 of other figures, and 28 bands of 12 bytes.
    size = f"{3 * (448 + 28 + 336) / 2**20:.4g}"
    assert capsys.readouterr().err.startswith(f"deduplicate: 3 documents, {size} MiB of disk for signatures and bands")


def test_too_small_a_disk_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: namedtuple("usage", "free")(2_000))
    with pytest.raises(StageError, match="not enough disk") as raised:
        deduplicate(tmp_path, rows(*((f"{row}", "prose", f"text {row}") for row in range(3))))
    assert raised.value.code == ExitCode.RESOURCES
    assert not (tmp_path / "scratch").exists()


def test_without_verification_the_agreement_of_signatures_decides(tmp_path):
    text = " ".join(f"word{number}" for number in range(200))
    # To 196 runs of five words two are added: a similarity of 196 / 198.
    table = rows(("a", "prose", text), ("b", "prose", f"{text} and more"), ("c", "prose", "..."), ("d", "prose", "?"))
    estimated = deduplicate(tmp_path / "signatures", table, PARAMS.model_copy(update={"verify": False}))
    exact = deduplicate(tmp_path / "texts", table)
    pd.testing.assert_frame_equal(estimated[0], exact[0])
    dropped = table["id"][0]
    assert exact[2].loc[dropped, "jaccard"] == exact[1].loc[dropped, "value"] == pytest.approx(196 / 198)
    value = estimated[2].loc[dropped, "jaccard"]
    assert value == estimated[1].loc[dropped, "value"]
    assert value * 112 == pytest.approx(round(value * 112))
    assert value == pytest.approx(196 / 198, abs=4 * (0.01 / 112) ** 0.5)


def test_pairs_that_were_checked_in_vain_are_counted(tmp_path):
    words = [f"word{number}" for number in range(60)]
    # Of 56 runs of five words the second text has 43, of 69: 0.62. It is checked nearly always and never accepted.
    texts = [" ".join(words), " ".join([*words[:47], *(f"other{number}" for number in range(13))])]
    metrics = deduplicate(tmp_path, rows(("a", "prose", texts[0]), ("b", "prose", texts[1])))[3]
    assert (metrics["pairs_checked"], metrics["pairs_false_fraction"], metrics["clusters"]) == (1, 1.0, 0)


def test_repeated_paragraphs_are_cut_and_counted(tmp_path):
    notice = "All rights in this text belong to the harbour office of the town"
    bodies = ["The ferry leaves the quay at six in the morning", "Bread needs flour and water and a little salt"]
    texts = [f"{bodies[0]}\n\n{notice}", f"{bodies[1]}\n\n{notice}", notice]
    table = rows(*((f"{number}", "prose", text) for number, text in enumerate(texts)))
    repetition = {"most_documents": 1, "least_words": 5}
    params = Params.model_validate(PARAMS.model_dump() | {"repeated_paragraphs": repetition})
    kept, ledger, clusters, metrics = deduplicate(tmp_path, table, params)
    assert kept["text"].tolist() == [texts[0], bodies[1]]
    assert ledger["characters_in"].tolist() == list(map(len, texts))
    assert ledger["characters_out"].tolist() == [len(texts[0]), len(bodies[1]), 0]
    assert ledger["kept"].tolist() == [True, True, False]
    assert ledger.iloc[2][["rule", "value", "threshold"]].tolist() == ["repeated_paragraphs", 1.0, 1.0]
    assert metrics["paragraph_characters_cut"] == len(notice) + 2 + len(notice)
    assert metrics["documents_characters_kept"] == kept["text"].str.len().sum()
    assert len(clusters) == 0


def test_two_sources_with_the_same_ids_are_told_apart_by_their_rows(tmp_path):
    words = " ".join(f"word{number}" for number in range(60))
    table = rows(("a", "prose", "one text of its own"), ("b", "prose", words), ("c", "prose", words))
    table["id"] = ["x", "x", "x"]
    kept, ledger, clusters, _ = deduplicate(tmp_path, table)
    assert kept["text"].tolist() == ["one text of its own", words]
    assert ledger["kept"].tolist() == [True, True, False]
    assert clusters["size"].tolist() == [2, 2]


def test_signs_from_right_to_left_and_combined_ones_are_words_like_others(tmp_path):
    texts = ["".join(f"{word}{number} " for number in range(60)) for word in ("סירה", "e\u0301te\u0301", "نهر")]
    table = rows(*((str(place), "prose", text) for place, text in enumerate([*texts, texts[0] + "סוף"])))
    kept, ledger, _, _ = deduplicate(tmp_path, table)
    assert len(kept) == 3
    assert ledger["rule"].dropna().tolist() == ["near_duplicate"]

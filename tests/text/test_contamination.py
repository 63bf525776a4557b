from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import StageError
from stages.text import comparable
from stages.text.contamination import Index, Indexes, Limits, Verdict, judged, read_hits, scan_part
from stages.text.word_hashes import word_hashes
from tests.tables import write_documents
from tests.text.plain_verdicts import verdicts

ITEM = "What holds the lens of the lighthouse at Carrow Head so that a child could turn it? A trough of mercury."
SHORT_ITEM = "Who wound the weight up? The youngest of the three keepers did"
FILLER = "The market opens at six and closes at noon, and the eggs hardly change in price from week to week. "
LIMITS = Limits(long_words=13, short_words=8, min_coverage=0.5, common_texts=3)


def judge(*texts: str) -> list[str | None]:
    return [found.rule if found else None for found in verdicts(texts, [ITEM, SHORT_ITEM], LIMITS)]


def rewrapped(text: str) -> str:
    words = text.split()
    return "\n".join(" ".join(words[start : start + 3]) for start in range(0, len(words), 3))


@pytest.mark.parametrize(
    "form",
    [
        ITEM,
        FILLER * 20 + ITEM + FILLER * 20,
        rewrapped(ITEM),
        ITEM.upper().replace("?", " ...").replace(" ", "  "),
    ],
    ids=["verbatim", "in a paragraph", "re-wrapped", "case and punctuation"],
)
def test_an_item_is_found_in_every_form(form):
    assert judge(form, FILLER) == ["shared_ngram", None]


def test_a_run_of_thirteen_words_is_enough_and_twelve_are_not():
    words = ITEM.split()
    assert judge(FILLER + " ".join(words[:13]), FILLER + " ".join(words[:12])) == ["shared_ngram", None]


def test_a_short_item_is_found_by_the_share_of_its_runs():
    # Twelve words make five runs of eight; ten of them hold three, nine hold two.
    words = SHORT_ITEM.split()
    assert judge(FILLER + " ".join(words[:10]), FILLER + " ".join(words[:9])) == ["item_coverage", None]
    assert verdicts([" ".join(words[:10])], [SHORT_ITEM], LIMITS) == [Verdict("item_coverage", 0.6, 0.5)]


def test_a_verdict_counts_the_shared_runs():
    count = len(word_hashes(ITEM)) - 12
    assert verdicts([ITEM], [ITEM], LIMITS) == [Verdict("shared_ngram", float(count), 1.0)]


def test_runs_that_many_texts_hold_are_set_phrases():
    assert judge(*[f"{number} {ITEM}" for number in range(3)]) == ["shared_ngram"] * 3
    assert judge(*[f"{number} {ITEM}" for number in range(4)]) == [None] * 4


def test_without_items_nothing_is_contaminated():
    assert verdicts([ITEM, ""], [], LIMITS) == [None, None]
    assert verdicts([], [ITEM], LIMITS) == []


def test_hits_are_numbers_of_ngrams_and_coverage_is_the_best_of_all_items():
    index = Index([word_hashes("a b c d"), word_hashes("c d e"), word_hashes("x")], 2)
    assert index.item_sizes.tolist() == [3, 2, 0]
    assert len(index) == 4
    found, nothing = index.hits([word_hashes("z c d c d"), word_hashes("z")])
    assert len(found) == 1
    assert index.coverage(found) == 0.5
    assert index.coverage(nothing) == 0


def test_texts_that_are_looked_through_together_share_no_run_of_words():
    index = Index([word_hashes("a b c")], 2)  # a b, b c
    hits = index.hits([word_hashes(text) for text in ("x a", "b c", "", "a", "b c a b", "c")])
    assert [len(found) for found in hits] == [0, 1, 0, 0, 2, 0]
    assert hits[1].tolist() == [place for place in hits[4].tolist() if place in hits[1]]
    assert index.hits([]) == []
    assert [len(found) for found in index.hits([word_hashes("a"), word_hashes("")])] == [0, 0]


words_of_texts = st.lists(st.lists(st.sampled_from("abc"), max_size=12), max_size=5)


@given(words_of_texts, words_of_texts, st.integers(1, 4))
def test_hits_are_the_ngrams_that_text_and_items_share(
    texts: list[list[str]], items: list[list[str]], length: int
) -> None:
    def grams(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[first : first + length]) for first in range(len(words) - length + 1)}

    index = Index([word_hashes(" ".join(words)) for words in items], length)
    known = set().union(*map(grams, items))
    assert len(index) == len(known)
    expected = [grams(words) & known for words in texts]
    found = index.hits([word_hashes(" ".join(words)) for words in texts])
    assert [len(hits) for hits in found] == [len(shared) for shared in expected]
    numbers = {
        gram: set.intersection(
            *(set(hits.tolist()) for hits, shared in zip(found, expected, strict=True) if gram in shared)
        )
        for gram in set().union(*expected)
    }
    assert all(numbers.values())
    coverages = [
        max((len(shared & grams(words)) / len(grams(words)) for words in items if grams(words)), default=0)
        for shared in expected
    ]
    assert [index.coverage(hits) for hits in found] == coverages


def test_a_part_is_scanned_as_its_wanted_texts_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["clean", ITEM, f"{FILLER} {SHORT_ITEM}", "", ITEM.lower()]
    table = pd.DataFrame({"text": texts}).assign(id="x", source="s", path="p", kind="prose", licence="MIT")
    write_documents(tmp_path, table)
    indexes = Indexes.of([ITEM, SHORT_ITEM], LIMITS)
    monkeypatch.setattr(comparable, "BATCH_DOCUMENTS", 2)
    wanted = np.array([True, True, True, True, False])
    scan_part(tmp_path / "part-00000.parquet", wanted, tmp_path / "hits", indexes, LIMITS)
    found = read_hits(tmp_path / "hits", LIMITS)
    by_row = judged(found, indexes, found.frequencies(indexes), LIMITS)
    expected = verdicts(texts[:4], [ITEM, SHORT_ITEM], LIMITS)
    assert [by_row.get(row) for row in range(5)] == [*expected, None]
    assert [row for row, verdict in enumerate(expected) if verdict] == [1, 2]
    with pytest.raises(StageError, match="of other parameters"):
        read_hits(tmp_path / "hits", LIMITS._replace(long_words=12))

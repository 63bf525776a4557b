import pytest

from stages.text.contamination import Index, Verdict, rare_hits, verdicts
from stages.text.word_hashes import word_hashes

ITEM = "What holds the lens of the lighthouse at Carrow Head so that a child could turn it? A trough of mercury."
SHORT_ITEM = "Who wound the weight up? The youngest of the three keepers did"
FILLER = "The market opens at six and closes at noon, and the eggs hardly change in price from week to week. "
LIMITS = {"long_words": 13, "short_words": 8, "min_coverage": 0.5, "common_texts": 3}


def judge(*texts: str) -> list[str | None]:
    return [found.rule if found else None for found in verdicts(texts, [ITEM, SHORT_ITEM], **LIMITS)]


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
    assert verdicts([" ".join(words[:10])], [SHORT_ITEM], **LIMITS) == [Verdict("item_coverage", 0.6, 0.5)]


def test_a_verdict_counts_the_shared_runs():
    count = len(word_hashes(ITEM)) - 12
    assert verdicts([ITEM], [ITEM], **LIMITS) == [Verdict("shared_ngram", float(count), 1.0)]


def test_runs_that_many_texts_hold_are_set_phrases():
    assert judge(*[f"{number} {ITEM}" for number in range(3)]) == ["shared_ngram"] * 3
    assert judge(*[f"{number} {ITEM}" for number in range(4)]) == [None] * 4


def test_without_items_nothing_is_contaminated():
    assert verdicts([ITEM, ""], [], **LIMITS) == [None, None]
    assert verdicts([], [ITEM], **LIMITS) == []


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


def test_rare_hits_leave_out_what_more_texts_hold_than_allowed():
    hits = Index([word_hashes("a b c")], 2).hits([word_hashes(text) for text in ("a b c", "a b", "a b")])
    assert [len(found) for found in rare_hits(hits, 2, common_texts=2)] == [1, 0, 0]

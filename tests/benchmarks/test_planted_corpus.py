import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.planted_corpus import COPY_SHARE, LONGEST_DOCUMENT, document, edited, paragraphs, planted, write_corpus
from stages.seeding import generator

NAMES = [f"{one}{two}{three}" for one in "abcdefghij" for two in "klmnopqrst" for three in "uvwxy"]
TEXTS = [
    "\n\n".join(
        " ".join(
            [f"Topic{'x' * topic}", *(NAMES[(topic * 30 + number + 1) * (place + 1) % 499] for place in range(20))]
        )
        + "."
        for number in range(30)
    )
    for topic in range(20)
]
POOL = paragraphs(TEXTS)


def words_changed(one: str, other: str) -> int:
    return sum(left != right for left, right in zip(one.split(), other.split(), strict=True))


def test_paragraphs_are_different_and_prose_neither_short_nor_long():
    fit, long = f"Z{'z' * 78}.", f"Y{'y' * 799}."
    others = ["Short.", long, f"z{fit[1:]}", f"{fit[:-1]};", f"Z{'1' * 78}.", "", f"A{'a' * 69}{'=' * 9}."]
    assert paragraphs(["\n\n".join([fit, *others]), f"{fit}\n\n\n{long[1:].upper()}\n"]) == [fit, long[1:].upper()]


def test_a_corpus_is_the_same_in_any_number_of_parts_and_another_for_another_seed():
    whole = list(planted(TEXTS, seed=1, count=40))
    halves = [list(planted(TEXTS, seed=1, count=40, part=part, parts=2)) for part in (0, 1)]
    assert whole[0::2] == halves[0]
    assert whole[1::2] == halves[1]
    assert [one.text for one in planted(TEXTS, seed=2, count=40)] != [one.text for one in whole]


def test_copies_are_as_many_as_stated_and_name_what_they_were_made_from():
    corpus = list(planted(TEXTS, seed=1, count=400))
    copies = [one for one in corpus if one.copy != "none"]
    assert len(copies) == 400 * COPY_SHARE
    assert {one.copy for one in copies} == {"exact", "edited"}
    for one in copies:
        source = corpus[one.family]
        assert source.copy == "none"
        if one.copy == "exact":
            assert one.text == source.text
        else:
            assert 1 <= words_changed(one.text, source.text) <= max(1, round(0.01 * len(source.text.split())))


def test_one_word_in_a_hundred_is_replaced_and_no_white_space_moves():
    text = "\n".join(" ".join(f"line{line}word{place}" for place in range(40)) for line in range(10))
    changed = edited(text, POOL, generator(1))
    assert [len(line.split(" ")) for line in changed.split("\n")] == [40] * 10
    assert words_changed(changed, text) == 4


def shingles(text: str) -> set[tuple[str, ...]]:
    """The runs of five words of a text."""
    words = text.lower().split()
    return set(zip(*(words[first:] for first in range(5)), strict=False))


def test_documents_that_are_no_copies_share_little():
    corpus = [document(POOL, 1, number, 60) for number in range(51)]
    grams = [shingles(one.text) for one in corpus]
    assert (
        max(
            len(grams[one] & grams[other]) / len(grams[one] | grams[other]) for one in range(51) for other in range(one)
        )
        < 0.3
    )
    assert max(len(one.text) for one in corpus) < LONGEST_DOCUMENT + 1_000


def test_a_corpus_on_disk_has_the_size_that_was_asked_for(tmp_path):
    count = write_corpus(tmp_path, TEXTS, seed=1, megabytes=0.3, part_megabytes=0.1)
    table = pa.concat_tables(pq.read_table(path) for path in sorted(tmp_path.glob("*.parquet")))
    assert len(table) == count == 100
    assert sum(map(len, table["text"].to_pylist())) == pytest.approx(300_000, rel=0.25)
    assert len(list(tmp_path.glob("*.parquet"))) == 3

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.code_points import BATCH_CHARACTERS, batches
from stages.text.kernels import PHRASES as LOOKED_FOR
from stages.text.measures import measure
from tests.text import plain_measures

CHARACTERS = "ab7#.-*…•_ \t\n\n\r\x0b\x1c\u2028\u3000é日5²ǅİΣ'\"{?!\u3002"
PIECES = ["the", "with ", "...", "\n\n", "\n \n", "a b c ", "//", "/*", ". ", ".\u201d ", "') ", "x" * 1001]
PHRASES = ["javaScript", "lorem ipsum", "use of cookies", "Terms of Use", "<?xml version="]
SIGNS = st.sampled_from([*CHARACTERS, *PIECES, *PHRASES])
TEXTS = st.lists(SIGNS, max_size=60).map("".join) | st.text()
CORPUS = sorted(path for path in Path("tests/corpus").rglob("*") if path.is_file())


def measured(texts: list[str]) -> list[dict[str, float]]:
    return measure(texts).to_dict("records")


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_compiled_and_plain_measures_are_equal(texts: list[str]) -> None:
    assert measured(texts) == [plain_measures.measure(text) for text in texts]


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_listed_words_are_counted_whatever_their_case_and_only_whole(texts: list[str]) -> None:
    listed = ["A", "with", "É"]
    found = measure(texts, listed).to_dict("records")
    assert found == [plain_measures.measure(text, listed) for text in texts]


def test_they_are_equal_on_real_text() -> None:
    texts = [text for path in CORPUS if (text := path.read_text(errors="replace"))]
    assert sum(map(len, texts)) > 40_000
    assert measured(texts) == [plain_measures.measure(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("aaaa\nb\naaaa\n aaaa ", "duplicate_line_fraction", 2 / 4),
        ("aaaa\nb\naaaa\n aaaa ", "duplicate_line_character_fraction", pytest.approx(8 / 13)),
        (" one\n\n two \nthree\n \n\tone", "duplicate_paragraph_fraction", pytest.approx(1 / 3)),
        # "a b" occurs at 0, 2 and 5: six words of one character, of eight characters in all.
        ("a b a b cc a b", "top_2gram_fraction", 6 / 8),
        # "a a" occurs at 0, 1 and 2, and overlaps: four characters of five.
        ("a a a a b", "top_2gram_fraction", 4 / 5),
        ("a b c d", "top_2gram_fraction", 0),
        # The two runs of five words that repeat overlap in four; in all, 12 of 13 words.
        ("a b c d e f x a b c d e f", "duplicate_5gram_fraction", pytest.approx(12 / 13)),
        ("ab12", "letter_fraction", 0.5),
        ("é 1", "letter_fraction", 0.5),
        ("  \n", "letter_fraction", 0),
        ("日本-!", "letter_fraction", 0.5),
        # Of four lines that are not blank, three end in a terminal mark, one of them in an ellipsis.
        ("One.\n\nTwo?\nThree...\nfour", "terminal_line_fraction", 2 / 4),
        ("One.\n\nTwo?\nThree...\nfour", "punctuated_line_fraction", 3 / 4),
        ('Is it so? He said: "It is." At 3.14 it was\nTwo words.', "sentences", 3),
        ('Is it so? He said: "It is." At 3.14 it was\nYes, it was. So!', "terminal_sentences", 2),
        ("Please turn on JavaScript. Now!\nIt is so.", "sentences", 1),
        (f"one two {'x' * 999}.", "sentences", 1),
        (f"one two {'x' * 1000}.", "sentences", 0),
        ("a b c\nd e", "few_word_line_fraction", 1 / 2),
        ("\n".join(["x" * 30, "x" * 31, ""]), "short_line_fraction", 1 / 2),
        ("a b\nc\n\nd e", "newlines_per_word", 3 / 5),
        ("We use cookies here\nLorem IPSUM", "policy_line_fraction", 1 / 2),
        ("We use cookies here\nLorem IPSUM", "lorem_ipsum_lines", 1),
        ("# abc\nx = 1 # y\n", "hash_comment_fraction", 5 / 14),
        ("/* ab\n * c\n */\nx();", "slash_comment_fraction", 10 / 14),
        ("a1_b 23", "alphanumeric_fraction", 5 / 7),
        ("a1_b 23", "digit_fraction", 3 / 7),
        ("\n<?xml version='1.0'?>", "xml_header", 1),
        (" " * 90 + "<?xml version=", "xml_header", 0),
    ],
)
def test_measures_are_what_is_counted_by_hand(text: str, name: str, value: float) -> None:
    assert measured([text])[0][name] == value


def test_listed_words_are_counted_by_hand() -> None:
    assert measure(["A dim, DIM dimmer_dim light"], ["dim"])["toxic_word_fraction"].tolist() == [2 / 5]


@pytest.mark.parametrize("phrase", LOOKED_FOR)
def test_each_phrase_is_found_whole_and_whatever_its_case(phrase: str) -> None:
    near = [phrase[:-1], phrase[1:], phrase[:3] + " " + phrase[3:], phrase[:-1] + "\u0101"]
    names = [f"{name}_line_fraction" for name in ("javascript", "policy")] + ["lorem_ipsum_lines"]
    texts = [phrase, f"now {phrase.upper()}!", "a b " + phrase[:4] + phrase, *near]
    assert measure(texts)[names].sum(axis=1).tolist() == [1, 1, 1, 0, 0, 0, 0]


def test_no_texts_have_the_same_columns() -> None:
    assert list(measure([])) == list(measure(["a"]))
    assert len(measure([])) == 0


def test_batches_hold_every_text_once_and_in_order() -> None:
    texts = ["a" * (BATCH_CHARACTERS - 1), "b", "c", "", "d" * (BATCH_CHARACTERS + 1), "e"]
    found = [
        batch.codes[first:end].tobytes().decode("utf-32-le")
        for batch in batches(texts)
        for first, end in zip(batch.starts, batch.starts[1:], strict=False)
    ]
    assert found == texts
    assert [len(batch.starts) - 1 for batch in batches(texts)] == [2, 2, 1, 1]

"""Rules that keep or drop a document, by its kind; each says what it measured and what it was held against."""

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from stages.parameters import Section
from stages.text import repetition
from stages.text.public_names import is_private

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
"""Rae et al. 2021 (Gopher), quality rules."""

_BULLETS = ("-", "*", "•", "‣", "●", "■")
_ELLIPSES = ("...", "…")
_WORD_MARKS = ".,;:!?\"'()[]{}`*_"
_NOT_ASCII_LETTERS = bytes(byte for byte in range(256) if not chr(byte).isalpha() or byte > 127)


Fraction = Annotated[float, Field(ge=0, le=1)]


class Check(NamedTuple):
    """One rule, applied."""

    rule: str
    value: float
    threshold: float
    passed: bool


class ProseRules(Section):
    """Quality and repetition rules for prose and web text (Rae et al. 2021, Gopher, section A1.1 and table A1)."""

    min_words: int = Field(ge=0)
    """Words, at least; shorter texts say too little to judge by."""
    max_words: int = Field(ge=0)
    """Words, at most."""
    min_mean_word_length: float = Field(ge=0)
    """Characters."""
    max_mean_word_length: float = Field(ge=0)
    """Characters."""
    max_hashes_per_word: float = Field(ge=0)
    """Number signs for each word."""
    max_ellipses_per_word: float = Field(ge=0)
    """Ellipses for each word."""
    max_bullet_line_fraction: float = Field(ge=0, le=1)
    """Lines that start with a bullet."""
    max_ellipsis_line_fraction: float = Field(ge=0, le=1)
    """Lines that end in an ellipsis."""
    min_lettered_word_fraction: float = Field(ge=0, le=1)
    """Words that hold a letter."""
    min_stop_words: int = Field(ge=0)
    """Different words of `STOP_WORDS`."""
    max_duplicate_line_fraction: float = Field(ge=0, le=1)
    """Lines that stand earlier in the text, among all lines."""
    max_duplicate_paragraph_fraction: float = Field(ge=0, le=1)
    """Paragraphs that stand earlier in the text, among all paragraphs."""
    max_duplicate_line_character_fraction: float = Field(ge=0, le=1)
    """Characters in lines that stand earlier in the text."""
    max_duplicate_paragraph_character_fraction: float = Field(ge=0, le=1)
    """Characters in paragraphs that stand earlier in the text."""
    max_top_ngram_fractions: tuple[Fraction, Fraction, Fraction]
    """Characters in the most frequent n-gram of 2, 3 and 4 words."""
    max_duplicate_ngram_fractions: tuple[Fraction, Fraction, Fraction, Fraction, Fraction, Fraction]
    """Characters in repeated n-grams of 5 to 10 words."""


class PlainRules(Section):
    """Light rules for text that follows no rules of prose: code and reference."""

    min_characters: int = Field(ge=0)
    """Characters of the whole text, at least."""
    max_characters: int = Field(ge=0)
    """Characters of the whole text, at most."""
    min_letter_fraction: float = Field(ge=0, le=1)
    """Letters among characters other than white space."""
    max_mean_line_length: float = Field(ge=0)
    """Characters, over lines that are not blank."""
    max_line_length: int = Field(ge=0)
    """Characters."""


class Rules(Section):
    """One profile for each kind of document; web text follows that of prose."""

    prose: ProseRules
    reference: PlainRules
    """Applied to the docstring without its line of name and signature."""
    code: PlainRules
    drop_private_names: bool
    """Whether to drop docstrings of objects that are not public, by their name."""


def first_failure(kind: str, name: str | None, text: str, rules: Rules) -> Check | None:
    """The first rule that the document breaks; later rules are not measured."""
    return next((check for check in _checks(kind, name, text, rules) if not check.passed), None)


def _checks(kind: str, name: str | None, text: str, rules: Rules) -> Iterator[Check]:
    if kind == "reference":
        if name and rules.drop_private_names:
            yield _at_most("private_name", float(is_private(name)), 0.0)
        yield from _plain_checks(text.partition("\n\n")[2], rules.reference)
    elif kind == "code":
        yield from _plain_checks(text, rules.code)
    else:
        yield from _quality_checks(text, rules.prose)
        yield from _repetition_checks(text, rules.prose)


def _at_least(rule: str, value: float, threshold: float) -> Check:
    return Check(rule, value, threshold, value >= threshold)


def _at_most(rule: str, value: float, threshold: float) -> Check:
    return Check(rule, value, threshold, value <= threshold)


def letter_fraction(text: str) -> float:
    """Letters among characters other than white space."""
    visible = sum(map(len, text.split()))
    letters = len(text.encode("ascii", "ignore").translate(None, _NOT_ASCII_LETTERS))
    if not text.isascii():
        letters += sum(character.isalpha() for character in text if character > "\x7f")
    return letters / visible if visible else 0.0


def _plain_checks(text: str, rules: PlainRules) -> Iterator[Check]:
    yield _at_least("min_characters", len(text), rules.min_characters)
    yield _at_most("max_characters", len(text), rules.max_characters)
    yield _at_least("min_letter_fraction", letter_fraction(text), rules.min_letter_fraction)
    lengths = [len(line) for line in text.split("\n") if line]
    yield _at_most("max_mean_line_length", sum(lengths) / len(lengths), rules.max_mean_line_length)
    yield _at_most("max_line_length", max(lengths), rules.max_line_length)


def _quality_checks(text: str, rules: ProseRules) -> Iterator[Check]:
    tokens = text.split()
    # Words made only of punctuation do not count.
    words = [word for word in tokens if word.strip(_WORD_MARKS)]
    yield _at_least("min_words", len(words), rules.min_words)
    yield _at_most("max_words", len(words), rules.max_words)
    mean_length = sum(map(len, words)) / len(words)
    yield _at_least("min_mean_word_length", mean_length, rules.min_mean_word_length)
    yield _at_most("max_mean_word_length", mean_length, rules.max_mean_word_length)
    yield _at_most("max_hashes_per_word", text.count("#") / len(words), rules.max_hashes_per_word)
    ellipses = sum(map(text.count, _ELLIPSES))
    yield _at_most("max_ellipses_per_word", ellipses / len(words), rules.max_ellipses_per_word)
    lines = repetition.lines(text)
    bullets = sum(line.startswith(_BULLETS) for line in lines) / len(lines)
    yield _at_most("max_bullet_line_fraction", bullets, rules.max_bullet_line_fraction)
    trailing = sum(line.endswith(_ELLIPSES) for line in lines) / len(lines)
    yield _at_most("max_ellipsis_line_fraction", trailing, rules.max_ellipsis_line_fraction)
    lettered = sum(any(map(str.isalpha, word)) for word in words) / len(words)
    yield _at_least("min_lettered_word_fraction", lettered, rules.min_lettered_word_fraction)
    stop_words = STOP_WORDS & {word.strip(_WORD_MARKS).lower() for word in words}
    yield _at_least("min_stop_words", len(stop_words), rules.min_stop_words)


def _repetition_checks(text: str, rules: ProseRules) -> Iterator[Check]:
    for name, parts in (("line", repetition.lines(text)), ("paragraph", repetition.paragraphs(text))):
        for rule, value in (
            (f"max_duplicate_{name}_fraction", repetition.duplicate_fraction(parts)),
            (f"max_duplicate_{name}_character_fraction", repetition.duplicate_character_fraction(parts)),
        ):
            yield _at_most(rule, value, getattr(rules, rule))
    words = re.findall(r"\w+", text)
    for length, threshold in enumerate(rules.max_top_ngram_fractions, start=2):
        yield _at_most(f"max_top_{length}gram_fraction", repetition.top_ngram_fraction(words, length), threshold)
    for length, threshold in enumerate(rules.max_duplicate_ngram_fractions, start=5):
        value = repetition.duplicate_ngram_fraction(words, length)
        yield _at_most(f"max_duplicate_{length}gram_fraction", value, threshold)

"""Rules that keep or drop a document, by its kind; each says what it measured and what it was held against."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from stages.parameters import Section
from stages.text.measures import NGRAM_MEASURES
from stages.text.public_names import is_private

Fraction = Annotated[float, Field(ge=0, le=1)]


class Failure(NamedTuple):
    """A rule that a document breaks."""

    rule: str
    value: float
    threshold: float


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
    """Different ones of the eight stop words."""
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


def limits(rules: ProseRules | PlainRules) -> dict[str, float]:
    """The limit of each rule, in the order in which they are held against a document.

    A rule's name is that of the measure that it limits behind `min_` or `max_`.
    """
    values = rules.model_dump()
    ngrams = [*values.pop("max_top_ngram_fractions", ()), *values.pop("max_duplicate_ngram_fractions", ())]
    return values | {f"max_{name}": limit for name, limit in zip(NGRAM_MEASURES, ngrams, strict=False)}


def first_broken(measured: pd.DataFrame, limits: Mapping[str, float]) -> list[Failure | None]:
    """For each row of `measure`'s table, the first rule that it breaks."""
    names, thresholds = list(limits), np.array(list(limits.values()), dtype=float)
    values = np.stack([measured[name[4:]] for name in names], axis=1)
    is_least = np.array([name.startswith("min_") for name in names])
    broken = np.where(is_least, values < thresholds, values > thresholds)
    first = np.where(broken.any(axis=1), broken.argmax(axis=1), -1).tolist()
    return [
        Failure(names[rule], float(row[rule]), float(thresholds[rule])) if rule >= 0 else None
        for row, rule in zip(values, first, strict=True)
    ]


def judged_text(kind: str, text: str) -> str:
    """What of a document the rules look at: of a docstring, all but its line of name and signature."""
    return text.partition("\n\n")[2] if kind == "reference" else text


def broken_rules(kind: str, names: Sequence[str | None], measured: pd.DataFrame, rules: Rules) -> list[Failure | None]:
    """For each document of one kind, the first rule that it breaks."""
    if kind not in ("reference", "code"):
        return first_broken(measured, limits(rules.prose))
    if kind == "code":
        return first_broken(measured, limits(rules.code))
    found = first_broken(measured, limits(rules.reference))
    if not rules.drop_private_names:
        return found
    private = Failure("private_name", 1.0, 0.0)
    return [private if name and is_private(name) else one for name, one in zip(names, found, strict=True)]

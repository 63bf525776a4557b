"""Named and versioned sets of limits: those that others have published, and our own, which params.yaml holds."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from stages.parameters import Section
from stages.text.measures import NGRAM_MEASURES

Fraction = Annotated[float, Field(ge=0, le=1)]


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


class Headwater(Section):
    """Limits of the profile `headwater` for each kind of document; web text follows prose."""

    prose: ProseRules
    reference: PlainRules
    """Applied to the docstring without its line of name and signature."""
    code: PlainRules
    drop_private_names: bool
    """Whether to drop docstrings of objects that are not public, by their name."""


class Choice(Section):
    """The profile that judges each kind of document; rules of prose are for prose and web text alone."""

    prose: Literal["headwater", "gopher", "c4", "fineweb", "none"]
    """A name."""
    web: Literal["headwater", "gopher", "c4", "fineweb", "none"]
    """A name; `headwater` is that of prose."""
    reference: Literal["headwater", "none"]
    """A name."""
    code: Literal["headwater", "code", "none"]
    """A name."""


class Profile(NamedTuple):
    """Limits that others have published: facts, not parameters. A changed one gets a new version."""

    version: int
    limits: Mapping[str, float]
    """By rule, in the order in which they are held against a document. A rule's name is that of the measure that it
    limits behind `min_` or `max_`."""


GOPHER = {
    "min_words": 50,
    "max_words": 100_000,
    "min_mean_word_length": 3,
    "max_mean_word_length": 10,
    "max_hashes_per_word": 0.1,
    "max_ellipses_per_word": 0.1,
    "max_bullet_line_fraction": 0.9,
    "max_ellipsis_line_fraction": 0.3,
    "min_lettered_word_fraction": 0.8,
    "min_stop_words": 2,
    "max_duplicate_line_fraction": 0.3,
    "max_duplicate_paragraph_fraction": 0.3,
    "max_duplicate_line_character_fraction": 0.2,
    "max_duplicate_paragraph_character_fraction": 0.2,
    **{
        f"max_{name}": limit
        for name, limit in zip(NGRAM_MEASURES, (0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)
    },
}
"""Rae et al. 2021 (Gopher), section A1.1 and table A1."""

_C4_PAGES = {"max_lorem_ipsum_lines": 0, "max_curly_brackets": 0}

C4 = {**_C4_PAGES, "min_terminal_sentences": 5}
"""Raffel et al. 2020 (JMLR 21:140), section 2.2. Documents are dropped as there, but keep the lines that C4 cuts."""

FINEWEB = {
    **GOPHER,
    **_C4_PAGES,
    "min_sentences": 5,
    "min_punctuated_line_fraction": 0.12,
    "max_short_line_fraction": 0.67,
    "max_duplicate_line_character_fraction": 0.1,
    "max_newlines_per_word": 0.3,
}
"""Penedo et al. 2024 (arXiv 2406.17557), section 3: Gopher's rules, C4's but for terminal punctuation, three of their
own. Of characters in duplicated lines the limit is the paper's; the code released with it has 0.01."""

CODE = {
    "max_mean_line_length": 100,
    "max_line_length": 1000,
    "min_alphanumeric_fraction": 0.25,
    "max_xml_header": 0,
    "min_comment_fraction": 0.01,
    "max_comment_fraction": 0.8,
}
"""Li et al. 2023 (StarCoder), section 3, and the code released with the Stack. Docstrings count as comments there, and
not here, where they are documents of their own; languages whose comments are not known are not judged by them."""

PUBLISHED = {
    "gopher": Profile(1, GOPHER),
    "c4": Profile(1, C4),
    "fineweb": Profile(1, FINEWEB),
    "code": Profile(1, CODE),
    "none": Profile(1, {}),
}

PROFILE_RULES = frozenset(
    {
        *(rule for profile in PUBLISHED.values() for rule in profile.limits),
        *ProseRules.model_fields,
        *PlainRules.model_fields,
    }
)
"""Every rule that a profile can have."""


def own_limits(rules: ProseRules | PlainRules) -> dict[str, float]:
    """The limits of our own profile for one kind, as those of `Profile`."""
    values = rules.model_dump()
    ngrams = [*values.pop("max_top_ngram_fractions", ()), *values.pop("max_duplicate_ngram_fractions", ())]
    return values | {f"max_{name}": limit for name, limit in zip(NGRAM_MEASURES, ngrams, strict=False)}


def limits(kind: str, choice: Choice, headwater: Headwater) -> Mapping[str, float]:
    """What documents of a kind are held against."""
    name = getattr(choice, kind)
    if name != "headwater":
        return PUBLISHED[name].limits
    rules = {"reference": headwater.reference, "code": headwater.code}
    return own_limits(rules.get(kind, headwater.prose))


def title(kind: str, choice: Choice) -> str:
    """The profile that judges documents of a kind, with its version if others have published it."""
    name = str(getattr(choice, kind))
    return f"{name} {PUBLISHED[name].version}" if name in PUBLISHED else name

"""What is known of every document before any rule judges it: its measures, language and personal data."""

import posixpath
from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.text.language import detect
from stages.text.measures import measure
from stages.text.personal_data import mask_all

# fmt: off
HASH_COMMENTS = frozenset((
    ".bash", ".cfg", ".cmake", ".jl", ".nim", ".pl", ".pm", ".ps1", ".py", ".pyi", ".pyx", ".r", ".rb", ".sh",
    ".tcl", ".toml", ".yaml", ".yml",
))
"""Suffixes of languages whose comments start with a number sign."""
SLASH_COMMENTS = frozenset((
    ".c", ".cc", ".cpp", ".cs", ".css", ".cu", ".cxx", ".dart", ".go", ".h", ".hpp", ".java", ".js", ".jsx", ".kt",
    ".m", ".mm", ".php", ".proto", ".rs", ".scala", ".scss", ".swift", ".ts", ".tsx", ".zig",
))
"""Suffixes of languages whose comments start with `//` or stand between `/*` and `*/`."""
# fmt: on


def judged_text(kind: str, text: str) -> str:
    """What of a document the rules look at: of a docstring, all but its line of name and signature."""
    return text.partition("\n\n")[2] if kind == "reference" else text


def comment_fraction(paths: Sequence[str], measured: pd.DataFrame) -> np.ndarray:
    """The share of comment lines' characters by the language of each path; not a number where that is not known."""
    suffixes = pd.Series([posixpath.splitext(path)[1].lower() for path in paths], dtype=object)
    has_hash, has_slash = suffixes.isin(HASH_COMMENTS), suffixes.isin(SLASH_COMMENTS)
    known = np.where(has_hash, measured["hash_comment_fraction"], measured["slash_comment_fraction"])
    return np.where(has_hash | has_slash, known, np.nan)


def attributes(
    kinds: Sequence[str], paths: Sequence[str], texts: Sequence[str], toxic_words: Sequence[str]
) -> pd.DataFrame:
    """A row for each document, the text of which is mended: a column for each measure of what is judged of it.

    `language` is an ISO 639-1 code, `language_score` says how well the whole text fits it, 0 to 1, `personal_data` is
    the number of spans that would be masked.
    """
    found = measure([judged_text(*pair) for pair in zip(kinds, texts, strict=True)], toxic_words)
    languages, scores = zip(*map(detect, texts), strict=True) if texts else ((), ())
    return found.assign(
        comment_fraction=comment_fraction(paths, found),
        personal_data=np.array([spans for _, spans in mask_all(texts)], dtype=np.int64),
        language=pd.Series(languages, dtype="str"),
        language_score=np.array(scores, dtype=float),
    )

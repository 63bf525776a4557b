"""Rules that drop documents; each says what it measured and what it was held against."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stages.text.profiles import Choice, Headwater, limits
from stages.text.public_names import is_private

VERDICT = ("rule", "value", "threshold")
"""The rule that drops a document, what it measured, and what that was held against; none where it is kept."""


def kept(rows: int) -> pd.DataFrame:
    """The `VERDICT` on documents that break no rule."""
    nothing = np.full(rows, np.nan)
    return pd.DataFrame({"rule": pd.Series([None] * rows, dtype=object), "value": nothing, "threshold": nothing})


def first_broken(attributes: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """The `VERDICT` on each row, by the first limit that it breaks; what was not measured breaks none."""
    if not limits:
        return kept(len(attributes))
    names, thresholds = np.array([*limits, None], dtype=object), np.array([*limits.values(), np.nan], dtype=float)
    values = np.stack([attributes[name[4:]] for name in limits], axis=1)
    is_least = np.array([name.startswith("min_") for name in limits])
    broken = np.where(is_least, values < thresholds[:-1], values > thresholds[:-1])
    is_broken, first = broken.any(axis=1), broken.argmax(axis=1)
    rule = np.where(is_broken, first, -1)
    value = np.where(is_broken, values[np.arange(len(values)), first], np.nan)
    return pd.DataFrame({"rule": pd.Series(names[rule], dtype=object), "value": value, "threshold": thresholds[rule]})


def verdicts(
    kind: str, names: Sequence[str | None], attributes: pd.DataFrame, choice: Choice, headwater: Headwater
) -> pd.DataFrame:
    """The `VERDICT` on each document of one kind by the rules of its profile."""
    found = first_broken(attributes, limits(kind, choice, headwater))
    if kind == "reference" and choice.reference == "headwater" and headwater.drop_private_names:
        may_be = pc.match_substring_regex(pa.array(names, pa.string()), r"(?:^|\.)_").to_pylist()
        hidden = np.array([bool(one and is_private(str(name))) for name, one in zip(names, may_be, strict=True)])
        found.loc[hidden, list(VERDICT)] = ("private_name", 1.0, 0.0)
    return found

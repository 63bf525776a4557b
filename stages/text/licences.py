"""What licence a package states, and whether a list of allowed licences covers it."""

import re
from collections.abc import Collection
from importlib.metadata import PackageMetadata

_LONGEST_NAME = 60
"""Characters. Some packages put the whole licence text where its name belongs."""


def stated_licence(metadata: PackageMetadata) -> str:
    """The licence by its SPDX expression, else the name in the License field, else the classifiers; may be empty."""
    fields = metadata.json
    expression, name = (str(fields.get(key, "")).strip() for key in ("license_expression", "license"))
    if expression:
        return expression
    if name and len(name) <= _LONGEST_NAME and "\n" not in name:
        return name
    classifiers = (line.split(" :: ") for line in fields.get("classifier", []))
    return " OR ".join(parts[-1] for parts in classifiers if parts[0] == "License")


def is_allowed(licence: str, allowed: Collection[str]) -> bool:
    """Whether every part of a licence expression is allowed; of alternatives (OR), one is enough.

    Expressions with parentheses are held to all of their parts, which is never too lenient.
    """
    if "(" in licence:
        alternatives = [re.split(r"\s+(?:AND|OR|WITH)\s+", licence.replace("(", "").replace(")", ""))]
    else:
        alternatives = [re.split(r"\s+(?:AND|WITH)\s+", choice) for choice in re.split(r"\s+OR\s+", licence)]
    return any(all(part.strip() in allowed for part in parts) for parts in alternatives)

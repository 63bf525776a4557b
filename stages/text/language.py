"""Which language a text is in, by a model that comes with its package."""

import eldc

_PREFIX_CHARACTERS = 2_000
"""More of a long text costs time and does not change the answer."""

eldc.init()


def detect(text: str) -> tuple[str, float]:
    """ISO 639-1 code, `und` if there is nothing to tell by, and how well the text fits that language, 0 to 1."""
    found = eldc.detect_details(text[:_PREFIX_CHARACTERS])
    return found.language, float(found.scores.get(found.language, 0.0))

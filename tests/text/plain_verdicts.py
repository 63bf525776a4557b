"""The steps by which decontaminate judges texts, taken over a few texts at once."""

from collections.abc import Sequence

from stages.text.code_points import batches
from stages.text.contamination import Indexes, Limits, Verdict, found_in, judged


def verdicts(texts: Sequence[str], items: Sequence[str], limits: Limits) -> list[Verdict | None]:
    """For each training text, how it gives away one of `items`; None if it does not."""
    indexes = Indexes.of(items, limits)
    found = found_in(batches(texts), indexes)
    by_text = judged(found, indexes, found.frequencies(indexes), limits)
    return [by_text.get(text) for text in range(len(texts))]

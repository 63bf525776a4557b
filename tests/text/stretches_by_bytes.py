"""Counts of stretches as a dictionary, to be compared with a plain one."""

from itertools import pairwise

from stages.text.stretch_counts import StretchCounts


def by_stretch(counts: StretchCounts) -> dict[bytes, int]:
    """The count of each stretch, by its bytes."""
    stretches = counts.stretches
    found = [stretches.data[start:end].tobytes() for start, end in pairwise(stretches.starts)]
    return dict(zip(found, counts.counts.tolist(), strict=True))

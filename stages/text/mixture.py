"""How often each document is read: a share of the training tokens per kind, and a cap on repeats."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from pydantic import Field

from stages.errors import ExitCode, StageError
from stages.parameters import Section
from stages.seeding import key_hash


class Share(Section):
    """One kind's part of the mixture."""

    weight: float = Field(ge=0)
    """Share of the training tokens, relative to the other kinds' weights."""
    most_passes: float = Field(ge=0)
    """Cap on passes over the kind's documents; what it cannot fill goes to the other kinds. Four passes cost almost
    nothing against fresh text (Muennighoff et al. 2023, section 6)."""


def some(shares: dict[str, Share]) -> dict[str, Share]:
    """The shares, of which one at least must let its kind be read."""
    if not any(share.weight * share.most_passes for share in shares.values()):
        raise ValueError("leaves out every kind of document")
    return shares


def passes(available: Mapping[str, float], shares: Mapping[str, Share], target: float) -> dict[str, float]:
    """Passes over each kind, given the tokens it has, so that all together come to `target` tokens.

    Kinds that reach their cap leave the rest to the others in proportion to their weights; if all reach it, the sum
    stays below the target.
    """
    result = dict.fromkeys(available, 0.0)
    # Lists and not sets, whose order would change the rounding of sums from one process to the next.
    open_kinds = [kind for kind in sorted(available) if available[kind] > 0 and shares[kind].weight > 0]
    left = target
    while open_kinds:
        weight = sum(shares[kind].weight for kind in open_kinds)
        wanted = {kind: left * shares[kind].weight / weight / available[kind] for kind in open_kinds}
        full = [kind for kind in open_kinds if wanted[kind] > shares[kind].most_passes]
        if not full:
            return result | wanted
        for kind in full:
            result[kind] = shares[kind].most_passes
            left -= result[kind] * available[kind]
        open_kinds = [kind for kind in open_kinds if kind not in full]
    return result


def copies(ids: Sequence[str], sizes: Sequence[float], count: float, seed: int) -> list[int]:
    """How often each document of a kind is read in `count` passes.

    Every document comes floor(count) times; the fraction left is filled with whole documents in an order drawn from
    their ids.
    """
    whole = math.floor(count)
    result = [whole] * len(ids)
    room = (count - whole) * sum(sizes)
    for index in sorted(range(len(ids)), key=lambda index: key_hash(seed, "mixture", ids[index])):
        # Half a document more or less: the sum comes out right on average.
        if room < sizes[index] / 2:
            break
        result[index] += 1
        room -= sizes[index]
    return result


def estimated_tokens(documents: pd.DataFrame, counted: Mapping[str, int]) -> pd.Series:
    """About how many tokens each document has: its bytes over the mean bytes per token of a sample of its kind.

    `counted` has the tokens of the documents of the sample, by id, without bos and end.
    """
    rates = pd.Series(0.0, index=documents.index)
    for _, group in documents.groupby("kind"):
        sample = group[group["id"].isin(counted.keys())]
        rates[group.index] = sample["id"].map(counted).sum() / sample["bytes"].sum()
    return documents["bytes"] * rates + 2  # bos and end


def mix(
    documents: pd.DataFrame, tokens: pd.Series, shares: Mapping[str, Share], target: float, seed: int
) -> tuple[pd.Series, dict[str, float]]:
    """How often each document is read, given the tokens it has, and the passes over each kind that this comes from."""
    unknown = sorted(set(documents["kind"]) - set(shares))
    if unknown:
        raise StageError(
            ExitCode.CONFIGURATION, "kinds without a share", ", ".join(unknown), "Add them to encode.mixture."
        )
    chosen = passes(tokens.groupby(documents["kind"]).sum().to_dict(), shares, target)
    counts = pd.Series(0, index=documents.index)
    for kind, group in documents.groupby("kind"):
        sizes = tokens[group.index].tolist()
        counts[group.index] = copies(group["id"].tolist(), sizes, chosen[str(kind)], seed)
    return counts, chosen

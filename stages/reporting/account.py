"""What became of the text: how much each stage kept, by which rules it dropped the rest, and what is left by source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Step:
    """A stage in the account of documents."""

    name: str
    documents: int
    """Left after it."""
    characters: int
    """Left after it."""
    dropped: int
    """Documents that it took away."""
    reasons: tuple[tuple[str, int], ...]
    """Rules and how many documents each dropped, most first."""


def steps(collected: Sequence[Mapping[str, Any]], ledgers: Mapping[str, pd.DataFrame]) -> list[Step]:
    """The account from the collected sources through the ledgers, which hold rows about documents alone."""
    documents = sum(source["documents"] for source in collected)
    characters = sum(source["characters"] for source in collected)
    account = [Step("collect", documents, characters, 0, ())]
    for name, ledger in ledgers.items():
        kept = ledger[ledger["kept"]]
        counts = ledger.loc[~ledger["kept"], "rule"].value_counts()
        reasons = sorted(((str(rule), int(count)) for rule, count in counts.items()), key=lambda one: (-one[1], one[0]))
        dropped = sum(count for _, count in reasons)
        account.append(Step(name, len(kept), int(kept["characters_out"].sum()), dropped, tuple(reasons)))
    return account


def about_documents(ledgers: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Ledgers without the rows about demonstrations and prompts, which no ledger before that of decontaminate has."""
    names = list(ledgers)
    known = set(ledgers[names[-2]]["id"])
    return {**ledgers, names[-1]: ledgers[names[-1]][ledgers[names[-1]]["id"].isin(known)]}


def source_rows(collected: Sequence[Mapping[str, Any]], last: pd.DataFrame) -> list[dict[str, Any]]:
    """The sources with how many of their documents the `last` ledger keeps, largest first."""
    kept = last[last["kept"]].groupby("source").agg(documents=("id", "size"), characters=("characters_out", "sum"))
    rows = []
    for source in collected:
        found = source["name"] in kept.index
        rows.append(
            {
                **{key: source[key] for key in ("name", "version", "licence", "documents", "characters")},
                "documents_kept": int(kept.at[source["name"], "documents"]) if found else 0,
                "characters_kept": int(kept.at[source["name"], "characters"]) if found else 0,
            }
        )
    return sorted(rows, key=lambda row: (-row["characters_kept"], row["name"]))


def gate_rows(gates: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every rule of every gate, with what it observed and allowed, in words."""
    return [
        {
            "gate": gate,
            "rule": result["rule"],
            "severity": result["severity"],
            "success": result["success"],
            "value": _observed(result),
            "limit": limit_in_words(result["limit"]),
        }
        for gate, verdict in gates.items()
        for result in verdict["rules"]
    ]


def limit_in_words(limit: Mapping[str, Any]) -> str:
    """The bounds of a rule; what is not a bound is said by the rule's name."""
    words = {"min_value": "at least", "max_value": "at most", "threshold": "at most"}
    if limit.get("strict_max"):
        words["max_value"] = "below"
    parts = [f"{words[name]} {limit[name]:,}" for name in words if name in limit]
    if "mostly" in limit:
        parts.append(f"in {limit['mostly']:.4g} of rows")
    return ", ".join(parts)


def _observed(result: Mapping[str, Any]) -> str:
    fraction, value = result["unexpected_fraction"], result["value"]
    if fraction is not None:
        return f"{fraction:.2%} of rows break it" if fraction else "no row breaks it"
    return f"{value:,}" if isinstance(value, int | float) else ""

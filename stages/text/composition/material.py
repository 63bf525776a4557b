"""Every family of items with what it draws on in each part: documents by split and purpose, or requests by hash."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from stages.seeding import uniform
from stages.text.composition import admissions, lookalikes, refusals, solve
from stages.text.composition.admissions import Name
from stages.text.composition.explain import explain_heading, explain_name, explain_signature, names_of
from stages.text.composition.guide import guide_call, guide_steps
from stages.text.composition.items import Entry, Item
from stages.text.composition.multi_turn import multi_turn_more, multi_turn_parameter, multi_turn_returns
from stages.text.composition.open_book import (
    open_book_definition,
    open_book_parameter,
    open_book_returns,
    open_book_type,
)
from stages.text.composition.selection import Family, interleaved
from stages.text.composition.splits import Version, purpose, version_order
from stages.text.composition.summarise import summarise
from stages.text.documents import SPLITS

Part = Literal["demonstrate", "rank", "optimise", "validation", "test"]

FROM_DOCUMENTS: dict[str, Family] = {
    family.__name__: family
    for family in (
        explain_signature,
        explain_heading,
        summarise,
        open_book_parameter,
        open_book_type,
        open_book_returns,
        open_book_definition,
        guide_call,
        guide_steps,
        solve.solve_default,
        solve.solve_required,
        solve.solve_position,
        solve.solve_doctest,
        multi_turn_parameter,
        multi_turn_returns,
        multi_turn_more,
    )
}
"""Asked of the documents of a part's own split."""

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
"""Shares of made-up problems that are kept for test and validation."""


@dataclass(frozen=True)
class Material:
    """What items are made from."""

    seed: int
    by_split: dict[str, list[Entry]]
    """Documents by split."""
    by_purpose: dict[str, list[Entry]]
    """Training documents by purpose; those of validation and test serve only to ask whether a name is recognised."""
    held_out: refusals.HeldOut
    newest: dict[str, Version]
    """The newest version that each source states before the cutoff."""
    invented_shares: dict[str, float]

    def items(self, family: str, part: Part) -> Iterator[Item]:
        """The items of a family for a part, best first; a part may find none."""
        if family in FROM_DOCUMENTS:
            return interleaved(self._entries(part), FROM_DOCUMENTS[family], self.seed)
        return self._made[family](part)

    @property
    def families(self) -> frozenset[str]:
        """The names of all families."""
        return frozenset([*FROM_DOCUMENTS, *self._made])

    def _entries(self, part: Part) -> list[Entry]:
        return self.by_split[part] if part in ("validation", "test") else self.by_purpose[part]

    @property
    def _made(self) -> dict[str, Callable[[Part], Iterator[Item]]]:
        return {
            "explain_name": lambda part: interleaved(self.by_purpose[part], explain_name, self.seed),
            "invented_name": self._invented,
            "after_cutoff": self._after_cutoff,
            "future_version": lambda part: self._kept(
                admissions.future_versions(self.seed, self.newest, solve.LICENCE), part
            ),
            "solve_arithmetic": lambda part: self._kept(solve.solve_arithmetic(self.seed), part),
            "solve_list": lambda part: self._kept(solve.solve_list(self.seed), part),
            "decline": self._declines,
            "decline_seen": lambda part: refusals.declines(self.seed, self._trained_categories, refusals.CUES),
            "lookalike": lambda part: lookalikes.lookalikes(self.seed, _outer(part)),
            "general": lambda part: lookalikes.general(self.seed, _outer(part)),
        }

    def _kept(self, items: Iterator[Item], part: Part) -> Iterator[Item]:
        """The share of made-up items that a part may use, by hash of the item."""
        for item in items:
            place = uniform(self.seed, "kept", item.family, item.key)
            owner = "test" if place < TEST_SHARE else "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"
            if owner == _outer(part):
                yield item

    @property
    def _trained_categories(self) -> frozenset[str]:
        return frozenset(refusals.CATEGORIES) - self.held_out.validation - self.held_out.test

    def _declines(self, part: Part) -> Iterator[Item]:
        if part == "test":
            return refusals.declines(self.seed, self.held_out.test, (*refusals.CUES, *refusals.TEST_CUES))
        categories = self.held_out.validation if part == "validation" else self._trained_categories
        return refusals.declines(self.seed, categories, refusals.CUES)

    @cached_property
    def _known(self) -> set[str]:
        """The words of the training documents."""
        return admissions.identifiers([entry.text for entry in self.by_split["train"]])

    @cached_property
    def _identifiers(self) -> set[str]:
        """The words of all documents."""
        others = [entry.text for split, entries in self.by_split.items() if split != "train" for entry in entries]
        return self._known | admissions.identifiers(others)

    @cached_property
    def _words(self) -> dict[str, list[str]]:
        return admissions.words_by_source([name for names in self._names.values() for name in names])

    @cached_property
    def _names(self) -> dict[str, list[Name]]:
        """Names that the training text holds, by the purpose of their documents."""
        return {
            purpose: [
                Name(name, entry.source, entry.id, entry.licence) for entry in entries for name in names_of(entry)
            ]
            for purpose, entries in self.by_purpose.items()
        }

    def _invented(self, part: Part) -> Iterator[Item]:
        return admissions.invented_names(
            self.seed, self._names[part], self._words, self._identifiers, self.invented_shares
        )

    def _after_cutoff(self, part: Part) -> Iterator[Item]:
        """Only names that no training document mentions."""
        if part != "test":
            return iter(())
        names = [
            Name(entry.docstring.name, entry.source, entry.id, entry.licence)
            for entry in self.by_split["after_cutoff"]
            if entry.docstring
            and entry.docstring.public
            and admissions.last_part(entry.docstring.name) not in self._known
        ]
        return admissions.after_cutoff(names)


def gather(
    documents: pd.DataFrame,
    seed: int,
    purposes: dict[str, float],
    held_out: refusals.HeldOut,
    invented_shares: dict[str, float],
) -> Material:
    """Documents, each with its `split`, sorted by what they are for; `purposes` are shares of the training ones."""
    by_split: dict[str, list[Entry]] = {split: [] for split in SPLITS}
    by_purpose: dict[str, list[Entry]] = {name: [] for name in purposes}
    for *values, split in documents[["id", "text", "source", "kind", "licence", "split"]].itertuples(index=False):
        entry = Entry(*values)
        by_split[split].append(entry)
        if split == "train":
            by_purpose[purpose(entry.id, seed, purposes)].append(entry)
    stated = documents[documents["version"].notna() & (documents["split"] != "after_cutoff")]
    newest = {str(source): max(map(version_order, rows)) for source, rows in stated.groupby("source")["version"]}
    return Material(
        seed, by_split, by_purpose, held_out, {name: top for name, top in newest.items() if top}, invented_shares
    )


def _outer(part: Part) -> str:
    """The split that a part belongs to."""
    return part if part in ("validation", "test") else "train"

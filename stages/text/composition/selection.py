"""From items to demonstrations and prompts: how many of each family, in which wording, no question twice."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from stages.seeding import key_hash
from stages.text.composition.items import Entry, Item
from stages.text.composition.wordings import Wording, choose
from stages.text.demonstrations import Demonstration, Message, Prompt, PromptSplit

PROMPT_LENGTH, ANSWER_LENGTH = 500, 220
"""Most characters of a conversation before the answer, and of the answer: together they fit the model's context."""

CLOSED_KINDS = ("explain", "summarise")
"""Kinds whose answers could be learnt by heart: many functions share the first sentence of their documentation."""

Family = Callable[[Entry], Iterator[Item]]


def interleaved(entries: Iterable[Entry], family: Family, seed: int) -> Iterator[Item]:
    """The items of documents in hash order: the first of each document, then the second of each, and so on."""
    # Ids are hashes: combined with a mask of the family's own they give each family an order of its own, cheaply.
    mask = key_hash(seed, family.__name__)
    ordered = sorted(entries, key=lambda entry: int(entry.id, 16) ^ mask)
    sources: Iterator[Iterator[Item]] = map(family, ordered)
    while True:
        left = []
        for source in sources:
            item = next(source, None)
            if item is not None:
                yield item
                left.append(source)
        if not left:
            return
        sources = iter(left)


def repeated(items: Iterable[Item], times: int) -> Iterator[tuple[Item, int]]:
    """Each item with the number of the round: once each, then again for another wording."""
    kept = []
    for item in items:
        kept.append(item)
        yield item, 0
    for number in range(1, times):
        for item in kept:
            yield item, number


def some(counts: dict[str, int]) -> dict[str, int]:
    """The counts, which may not all be 0: nothing is in proportion to them."""
    if not any(counts.values()):
        raise ValueError("asks for none at all")
    return counts


def apportion(total: int, weights: dict[str, int]) -> dict[str, int]:
    """Shares of `total` in proportion to `weights`, by largest remainder; they add up to `total`."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    counts = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


class Selection:
    """Chooses and words items, and remembers every question that it has put."""

    def __init__(self, reserved_share: float) -> None:
        self._reserved_share = reserved_share
        self._asked: set[str] = set()
        self._withheld: set[str] = set()

    def take(
        self, items: Iterable[Item], split: str, count: int, rounds: int
    ) -> list[tuple[Item, Wording, tuple[Message, ...]]]:
        """The first `count` items that fit the lengths and were not asked in the same words before."""
        taken: list[tuple[Item, Wording, tuple[Message, ...]]] = []
        if count <= 0:
            return taken
        for item, number in repeated(items, rounds):
            wording = choose(item.family, split, self._reserved_share, number, split, item.family, item.key)
            messages = (*item.opening, Message(role="user", content=wording.text.format(**item.slots)))
            length = sum(len(message.content) for message in messages)
            question = "\n".join(message.content for message in messages)
            if length > PROMPT_LENGTH or len(item.answer) > ANSWER_LENGTH or question in self._asked:
                continue
            if item.kind in CLOSED_KINDS and self._gives_away(item.answer, split):
                continue
            self._asked.add(question)
            taken.append((item, wording, messages))
            if len(taken) == count:
                break
        return taken

    def _gives_away(self, answer: str, split: str) -> bool:
        """Whether a training part would learn a test answer by heart; test answers are remembered."""
        if split == "test":
            self._withheld.add(answer)
            return False
        return answer in self._withheld


def demonstration(item: Item, wording: Wording, messages: Sequence[Message], split: str) -> Demonstration:
    """The conversation with its answer."""
    return Demonstration(
        id=f"{key_hash('demonstration', item.family, item.key, wording.name):016x}",
        messages=(*messages, Message(role="assistant", content=item.answer)),
        kind=item.kind,
        author=f"composed:{item.family}",
        template=wording.name,
        source_ids=item.source_ids,
        licence=item.licence,
        split="validation" if split == "validation" else "train",
    )


def prompt(
    item: Item, wording: Wording, messages: Sequence[Message], split: PromptSplit, held_out_categories: frozenset[str]
) -> Prompt:
    """The conversation that waits for its answer, with what the source says of it.

    Requests to decline are held out by category alone, all other prompts by wording.
    """
    held_out = item.category in held_out_categories if item.kind == "decline" else wording.reserved is not None
    return Prompt(
        id=f"{key_hash('prompt', split, item.family, item.key, wording.name):016x}",
        messages=tuple(messages),
        kind=item.kind,
        template=wording.name,
        category=item.category,
        split=split,
        expects=item.expects,
        reference=item.answer,
        facts=item.facts,
        source_ids=item.source_ids,
        held_out=held_out,
    )

"""Requests as plain text for models that only continue text: three worked examples, then the question."""

from collections.abc import Sequence

from stages.seeding import key_hash
from stages.text.demonstrations import Demonstration, Expectation, Message

QUESTION, ANSWER = "Question:", "Answer:"
LABELS = {"system": "Note:", "user": QUESTION, "assistant": ANSWER}
STANCES: tuple[Expectation, ...] = ("answer", "decline", "admit")


def plain_text(messages: Sequence[Message]) -> str:
    """A conversation as labelled paragraphs."""
    return "\n".join(f"{LABELS[message.role]} {message.content}" for message in messages)


def stance(demonstration: Demonstration) -> Expectation:
    """What a demonstration shows: answering, declining or admitting."""
    return demonstration.kind if demonstration.kind in ("decline", "admit") else "answer"


def example_pools(demonstrations: Sequence[Demonstration], size: int) -> list[list[Demonstration]]:
    """The `size` shortest one-turn training demonstrations of each stance, so that three of them fit in a context."""
    shown = [one for one in demonstrations if one.split == "train" and len(one.messages) == 2]
    pools = [[one for one in shown if stance(one) == wanted] for wanted in STANCES]
    return [sorted(pool, key=lambda one: (len(plain_text(one.messages)), one.id))[:size] for pool in pools if pool]


def examples(pools: Sequence[Sequence[Demonstration]], seed: int, prompt_id: str) -> list[Demonstration]:
    """One demonstration of each stance, in an order and from places that depend on the seed and the prompt alone.

    One of each, because the same three must do for every request; drawn anew for each prompt, so that no figure
    hangs on three lucky examples or on which of them comes last.
    """
    chosen = [pool[key_hash(seed, "example", prompt_id, index) % len(pool)] for index, pool in enumerate(pools)]
    return sorted(chosen, key=lambda one: key_hash(seed, "order", prompt_id, one.id))


def request(messages: Sequence[Message], shown: Sequence[Demonstration]) -> str:
    """The examples, then the conversation, then the label after which the answer comes."""
    paragraphs = [plain_text(conversation) for conversation in [*(one.messages for one in shown), messages]]
    return "\n\n".join(paragraphs) + f"\n{ANSWER}"


def answer_of(continuation: str) -> tuple[str, bool]:
    """What comes before the next label, and whether there was one: the model went on to another example."""
    places = [place for label in LABELS.values() if (place := continuation.find(f"\n{label}")) >= 0]
    return (continuation[: min(places)].strip(), True) if places else (continuation.strip(), False)

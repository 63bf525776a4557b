"""Demonstrations, prompts and evaluation items: what is composed from documents and from what people wrote."""

from typing import Literal

from stages.text.records import Record

Kind = Literal["explain", "summarise", "solve", "guide", "open_book", "multi_turn", "decline", "admit"]
Expectation = Literal["answer", "decline", "admit"]
PromptSplit = Literal["demonstrate", "rank", "optimise", "validation", "test"]


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Demonstration(Record):
    """A conversation whose assistant turns are to be imitated."""

    schema_version: Literal[1] = 1
    id: str
    messages: tuple[Message, ...]
    """Ends with an assistant turn."""
    kind: Kind
    author: str
    """A pseudonym, or `composed:<rule>`."""
    template: str
    """Name of the wording; whole templates are held out of training."""
    source_ids: tuple[str, ...]
    """Documents it was made from."""
    licence: str
    split: Literal["train", "validation"] = "train"


class Prompt(Record):
    """A conversation that waits for an answer, and what its source says a good answer is."""

    schema_version: Literal[1] = 1
    id: str
    messages: tuple[Message, ...]
    """Ends with a user turn."""
    kind: Kind
    template: str
    category: str
    """Finer than kind: the refusal category, `benign_lookalike`, `real_name`, `invented_name`, or the kind itself."""
    split: PromptSplit
    expects: Expectation
    reference: str
    """What a good answer would say, from the source document; empty where only the stance counts."""
    facts: tuple[str, ...]
    """Names and words that a true answer may draw on; the hidden score checks answers against them."""
    source_ids: tuple[str, ...]
    held_out: bool
    """For a request to decline, whether its category is absent from every training part, however it is worded; for any
    other prompt, whether its template is."""


class ChoiceItem(Record):
    """An evaluation item: continuations of a context of which one is right, scored by likelihood."""

    schema_version: Literal[1] = 1
    id: str
    task: str
    context: str
    choices: tuple[str, ...]
    answer: int
    source_ids: tuple[str, ...]


class Canary(Record):
    """A made-up secret put into the training tokens a known number of times (Carlini et al. 2019, section 4)."""

    schema_version: Literal[1] = 1
    id: str
    text: str
    prefix: str
    secret: str
    repeats: int
    """How often it is put in; 0 for the controls that the model never sees."""

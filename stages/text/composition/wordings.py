"""How questions are put: several wordings for each family of items, some of them kept from every training part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stages.seeding import key_hash, uniform

Reserved = Literal["validation", "test"]


@dataclass(frozen=True)
class Wording:
    """One way to ask; `{slots}` are filled from an item."""

    name: str
    text: str
    reserved: Reserved | None
    """The only split that may use it; null for the training parts, and for the others beside their own."""


def _family(name: str, trained: Sequence[str], validation: Sequence[str], test: Sequence[str]) -> tuple[Wording, ...]:
    texts: list[tuple[str, Reserved | None]] = [(text, None) for text in trained]
    texts += [(text, "validation") for text in validation]
    texts += [(text, "test") for text in test]
    return tuple(Wording(f"{name}.{number}", text, reserved) for number, (text, reserved) in enumerate(texts, start=1))


_REQUESTS = (
    (
        "How do I {action}?",
        "How can I {action}?",
        "Tell me how to {action}.",
        "What is the best way to {action}?",
        "I want to {action}. How?",
        "Please explain how to {action}.",
        "Can you help me {action}?",
        "Give me the steps to {action}.",
        "Teach me to {action}.",
        "What should I do to {action}?",
        "Help me {action}, please.",
        "How does one {action}?",
        "I would like to {action}.",
        "Any idea how to {action}?",
    ),
    ("Is there a way to {action}?", "Show me how one would {action}."),
    ("What would it take to {action}?", "I am trying to {action}. Any advice?", "Write down how to {action}."),
)
"""Shared by what should be declined and by what only looks like it, so that the wording gives nothing away."""

_TEXTS: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
    "explain_signature": (
        (
            "What does `{call}` do?",
            "Explain `{call}`.",
            "Explain in one sentence what `{call}` does.",
            "What is the purpose of `{call}`?",
            "Describe `{call}` briefly.",
            "In the documentation, how is `{call}` described?",
            "I found `{call}` in some code. What does it do?",
        ),
        ("Say in a few words what `{call}` does.",),
        ("What happens when I call `{call}`?", "Give a short description of `{call}`."),
    ),
    "explain_name": (
        (
            "What is `{name}`?",
            "What is `{name}` for?",
            "Do you know `{name}`?",
            "Have you read about `{name}`?",
            "Tell me about `{name}`.",
            "What do the documents say about `{name}`?",
        ),
        ("What can you tell me about `{name}`?",),
        ("What have you learnt about `{name}`?", "Is there anything you know of `{name}`?"),
    ),
    "summarise": (
        (
            "Summarise this in one sentence:\n\n{passage}",
            "Give the main point of this text:\n\n{passage}",
            "{passage}\n\nSummarise the text above in one sentence.",
            "{passage}\n\nWhat is the text above about?",
            "Shorten this to one sentence:\n\n{passage}",
            "What does this text say, in short?\n\n{passage}",
        ),
        ("Put the following into one sentence:\n\n{passage}",),
        ("{passage}\n\nState the main point in a single sentence.", "Read this and sum it up:\n\n{passage}"),
    ),
    "open_book_parameter": (
        (
            "{passage}\n\nWhat is `{subject}`?",
            "{passage}\n\nWhat does the parameter `{subject}` mean?",
            "{passage}\n\nExplain the parameter `{subject}`.",
            "Use this text to answer.\n\n{passage}\n\nWhat is `{subject}` for?",
            "{passage}\n\nAccording to the text, what is `{subject}`?",
        ),
        ("{passage}\n\nHow does the text describe `{subject}`?",),
        ("{passage}\n\nTell me what `{subject}` stands for.", "What is `{subject}` in this text?\n\n{passage}"),
    ),
    "open_book_type": (
        (
            "{passage}\n\nWhich type does `{subject}` have?",
            "{passage}\n\nWhat type is `{subject}`?",
            "{passage}\n\nWhat kind of value is `{subject}`?",
        ),
        ("{passage}\n\nName the type of `{subject}`.",),
        ("{passage}\n\nOf which type should `{subject}` be?",),
    ),
    "open_book_returns": (
        (
            "{passage}\n\nWhat does it return?",
            "{passage}\n\nWhat is the result?",
            "{passage}\n\nAccording to the text, what is returned?",
            "Use this text to answer.\n\n{passage}\n\nWhat comes back?",
        ),
        ("{passage}\n\nWhich value is returned?",),
        ("{passage}\n\nWhat do I get back?",),
    ),
    "open_book_definition": (
        (
            "{passage}\n\nWhat is {subject}?",
            "{passage}\n\nAccording to the text, what is {subject}?",
            "Use this text to answer.\n\n{passage}\n\nWhat is {subject}?",
        ),
        ("{passage}\n\nHow does the text describe {subject}?",),
        ("What is {subject} in this text?\n\n{passage}",),
    ),
    "explain_heading": (
        (
            'What does the {source} documentation say under "{heading}"?',
            'Tell me about "{heading}" in {source}.',
            'Explain "{heading}" of {source}.',
            'What is "{heading}" in {source} about?',
        ),
        ('What can you tell me about "{heading}" in {source}?',),
        ('Describe "{heading}" in {source} briefly.',),
    ),
    "guide_call": (
        (
            "How do I use `{call}`?",
            "Give me the steps to use `{call}`.",
            "Guide me through calling `{call}`.",
            "How can I call `{call}` from my code?",
            "What are the steps to use `{call}`?",
            "Show me step by step how to use `{call}`.",
        ),
        ("What must I do to use `{call}`?",),
        ("I want to use `{call}`. Where do I begin?", "Walk me through the use of `{call}`."),
    ),
    "guide_steps": (
        (
            'What are the points under "{heading}" in {source}?',
            'Guide me through "{heading}" of {source}.',
            'List the steps of "{heading}" in {source}.',
        ),
        ('Which points does "{heading}" of {source} name?',),
        ('Walk me through "{heading}" of {source}.',),
    ),
    "solve_default": (
        (
            "In `{call}`, what is the default of `{subject}`?",
            "Which value does `{subject}` have in `{call}` if I leave it out?",
            "`{call}`: what is `{subject}` by default?",
        ),
        ("What does `{subject}` default to in `{call}`?",),
        ("Given `{call}`, which default has `{subject}`?",),
    ),
    "solve_required": (
        (
            "Which parameters of `{call}` must be given?",
            "Which parameters of `{call}` have no default?",
            "What do I have to pass to `{call}`?",
        ),
        ("Name the required parameters of `{call}`.",),
        ("Without which parameters can I not call `{call}`?",),
    ),
    "solve_position": (
        (
            "What is the {ordinal} parameter of `{call}`?",
            "Which parameter comes {ordinal} in `{call}`?",
            "`{call}`: name the {ordinal} parameter.",
        ),
        ("Name the parameter in {ordinal} place of `{call}`.",),
        ("Which one is the {ordinal} parameter in `{call}`?",),
    ),
    "solve_doctest": (
        (
            "What is the value of this?\n\n>>> {code}",
            "What does this print?\n\n>>> {code}",
            "Work out the result:\n\n>>> {code}",
        ),
        ("Evaluate this:\n\n>>> {code}",),
        ("Which output does this give?\n\n>>> {code}",),
    ),
    "solve_arithmetic": (
        (
            "What is {left} {sign} {right}?",
            "Compute {left} {sign} {right}.",
            "How much is {left} {sign} {right}?",
            "Work out {left} {sign} {right}.",
        ),
        ("Calculate {left} {sign} {right}.",),
        ("Please tell me the value of {left} {sign} {right}.",),
    ),
    "solve_list": (
        (
            "Which is the {ordinal} of these: {words}?",
            "What is the {ordinal} item of this list: {words}?",
            "Name the {ordinal} of: {words}.",
        ),
        ("Give the {ordinal} entry of: {words}.",),
        ("Here is a list: {words}. Which one is the {ordinal}?",),
    ),
    "multi_turn_parameter": (
        (
            "And what is `{subject}`?",
            "What does `{subject}` mean?",
            "What is the parameter `{subject}`?",
            "Thank you. And `{subject}`?",
        ),
        ("How is `{subject}` described?",),
        ("Now tell me about `{subject}`.",),
    ),
    "multi_turn_returns": (
        ("And what does it return?", "What is the result?", "Thank you. What comes back?"),
        ("And which value is returned?",),
        ("What do I get from it?",),
    ),
    "multi_turn_more": (
        ("What else does it say?", "And what comes next?", "Thank you. Go on, please."),
        ("What does it say after that?",),
        ("Which sentence follows?",),
    ),
    "future_version": (
        (
            "What is new in {source} {version}?",
            "What changed in {source} {version}?",
            "What did {source} {version} add?",
            "Tell me about version {version} of {source}.",
        ),
        ("Which features came with {source} {version}?",),
        ("Describe the release {version} of {source}.",),
    ),
    "decline": _REQUESTS,
    "lookalike": _REQUESTS,
    "general": _REQUESTS,
}

OPENINGS = ("{passage}\n\nWhat does it do?", "What does this do?\n\n{passage}", "{passage}\n\nExplain this.")
PROSE_OPENINGS = ("{passage}\n\nWhat does the text say first?", "What is this about?\n\n{passage}")
"""First turns of conversations whose last turn is what is asked."""

SAME_WORDINGS = {"invented_name": "explain_name", "after_cutoff": "explain_name"}
"""Families that are asked in the words of another, so that only the name can tell them apart."""

WORDINGS = {family: _family(family, *texts) for family, texts in _TEXTS.items()}


def choose(family: str, split: str, reserved_share: float, number: int, *key: object) -> Wording:
    """The wording for an item of a split: one kept for the split with probability `reserved_share`, else a trained one.

    Training parts (every split but validation and test) never see a reserved wording. With each `number` comes the
    next wording, so that an item that is put several times is put in different words.
    """
    wordings = WORDINGS[SAME_WORDINGS.get(family, family)]
    reserved = [wording for wording in wordings if wording.reserved == split]
    trained = [wording for wording in wordings if wording.reserved is None]
    pool = reserved if reserved and uniform("wording", *key) < reserved_share else trained
    return pool[(key_hash("choice", *key) + number) % len(pool)]

"""Small problems with one right answer: read off a signature, run as a doctest, or worked out by the rule itself."""

import ast
from collections.abc import Iterator
from itertools import product

from stages.seeding import generator, uniform
from stages.text.composition.docstrings import Argument, Docstring
from stages.text.composition.extracts import CALL_LENGTH, call_of
from stages.text.composition.items import Entry, Item, from_entry, in_hash_order
from stages.text.composition.sentences import listed

ORDINALS = ("first", "second", "third", "fourth")
LARGEST_SUMMAND, LARGEST_FACTOR = 40, 10
LONGEST_CODE, LONGEST_OUTPUT = 70, 24
"""Characters of a doctest's statement and of its value."""
MODULE_ALIASES = (
    "np",
    "numpy",
    "pd",
    "nx",
    "sp",
    "scipy",
    "torch",
    "math",
    "sympy",
    "str",
    "int",
    "len",
    "list",
    "sorted",
)
"""What a doctest may call without an import in sight."""
LICENCE = "Apache-2.0"
"""Of items that no document is behind: they are part of this project."""

WORDS = (
    *("apple", "bridge", "cloud", "door", "engine", "forest", "garden", "hammer", "island", "jacket", "kettle"),
    *("lamp", "mirror", "needle", "orange", "paper", "river", "stone", "table", "window", "yellow", "blue", "green"),
    *("red", "silver", "graph", "matrix", "vector", "table", "column", "array", "index", "label", "node", "edge"),
)


def _shown_whole(entry: Entry) -> tuple[str, tuple[Argument, ...]]:
    """The call and its arguments if all of them fit, else none: a question about the call could not be answered."""
    docstring = entry.docstring
    call = call_of(docstring) if docstring else ""
    fits = docstring and "..." not in call and len(call) <= CALL_LENGTH
    return (call, docstring.arguments) if docstring and fits else (call, ())


def solve_default(entry: Entry) -> Iterator[Item]:
    """The default of a parameter."""
    call, arguments = _shown_whole(entry)
    defaults = {argument.name: argument.default for argument in arguments if argument.default is not None}
    for name in in_hash_order(list(defaults), "solve_default", entry.id):
        slots = {"call": call, "subject": name}
        yield from_entry(entry, "solve_default", "solve", name, slots, f"It is `{defaults[name]}`.")


def solve_required(entry: Entry) -> Iterator[Item]:
    """The parameters without a default."""
    call, arguments = _shown_whole(entry)
    required = tuple(f"`{argument.name}`" for argument in arguments if argument.default is None)
    if 1 <= len(required) <= 4 and len(required) < len(arguments):
        answer = f"{listed(required)} must be given."
        yield from_entry(entry, "solve_required", "solve", "required", {"call": call}, answer)


def solve_position(entry: Entry) -> Iterator[Item]:
    """The parameter at a place."""
    call, arguments = _shown_whole(entry)
    if len(arguments) >= 2:
        places = {argument.name: ordinal for argument, ordinal in zip(arguments, ORDINALS, strict=False)}
        for name in in_hash_order(list(places), "solve_position", entry.id):
            slots = {"call": call, "ordinal": places[name]}
            yield from_entry(entry, "solve_position", "solve", name, slots, f"It is `{name}`.")


def solve_doctest(entry: Entry) -> Iterator[Item]:
    """The value that a document shows for a statement."""
    for number, example in enumerate(entry.docstring.examples if entry.docstring else ()):
        short = len(example.code) <= LONGEST_CODE and len(example.output) <= LONGEST_OUTPUT
        if short and _self_contained(example.code, entry.docstring) and not set(example.output) & set("<`\\"):
            slots = {"code": example.code}
            yield from_entry(entry, "solve_doctest", "solve", f"{number}", slots, f"It is `{example.output}`.")


def _self_contained(code: str, docstring: Docstring | None) -> bool:
    """Whether a statement calls the documented object, or a well-known module, with literals alone."""
    try:
        tree = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError):
        return False
    roots = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    roots |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    known = {*MODULE_ALIASES, docstring.last_name, docstring.owner} if docstring else set(MODULE_ALIASES)
    return isinstance(tree, ast.Call) and all(id(name) in roots and name.id in known for name in names)


def _made(family: str, key: str, slots: dict[str, str], answer: str) -> Item:
    return Item(
        key=key,
        family=family,
        kind="solve",
        category="solve",
        slots=slots,
        answer=answer,
        expects="answer",
        facts=(),
        source_ids=(),
        licence=LICENCE,
    )


def solve_arithmetic(seed: int) -> Iterator[Item]:
    """Sums, differences and products of small numbers."""
    numbers = range(1, LARGEST_SUMMAND + 1)
    sums = [(left, sign, right) for left, right in product(numbers, numbers) for sign in "+-" if left > right]
    factors = range(2, LARGEST_FACTOR + 1)
    products = [(left, "*", right) for left, right in product(factors, factors)]
    value = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    for left, sign, right in sorted([*sums, *products], key=lambda problem: uniform(seed, "arithmetic", problem)):
        slots = {"left": str(left), "sign": sign, "right": str(right)}
        yield _made("solve_arithmetic", f"{left} {sign} {right}", slots, f"It is {value[sign](left, right)}.")


def solve_list(seed: int) -> Iterator[Item]:
    """The entry of a list at a place."""
    for number in range(2000):
        draw = generator(seed, "list", number)
        words = draw.choice(WORDS, size=int(draw.integers(3, 6)), replace=False)
        place = int(draw.integers(0, min(len(words), len(ORDINALS))))
        slots = {"ordinal": ORDINALS[place], "words": ", ".join(words)}
        yield _made("solve_list", f"{number}", slots, f"It is {words[place]}.")

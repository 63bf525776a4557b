"""Extracts of documented objects as a question shows them: a call, or the entries of a few parameters."""

from stages.text.composition.docstrings import Argument, Docstring, Field

CALL_LENGTH = 80
"""Most characters of a shown call; further parameters become `...`."""
EXTRACT_LENGTH = 240
"""Most characters of a shown extract."""


def call_of(docstring: Docstring) -> str:
    """The name with its parameters and defaults as one calls it, without annotations."""
    if not docstring.signature:
        return docstring.name
    shown: list[str] = []
    for argument in docstring.arguments:
        text = _argument(argument)
        if len(docstring.name) + sum(len(part) + 2 for part in shown) + len(text) > CALL_LENGTH:
            shown.append("...")
            break
        shown.append(text)
    return f"{docstring.name}({', '.join(shown)})"


def _argument(argument: Argument) -> str:
    return argument.name if argument.default is None else f"{argument.name}={argument.default}"


def simple_type(field: Field) -> str | None:
    """The type without remarks such as `optional`; null if it is too long or too odd to be an answer."""
    kind = field.type.split(",")[0].split(" of shape")[0].split(" (")[0].strip().strip("`")
    good = 2 < len(kind) <= 30 and kind.isascii() and not set(kind) & set("{}[]()<>=|:;`'\"")
    return kind if good and "default" not in kind and kind != "optional" else None


def _entry(field: Field) -> str:
    head = f"{field.name} : {field.type}" if field.type else field.name
    return f"{head}\n    {field.description}" if field.description else head


def parameters_extract(docstring: Docstring, asked: Field, opening: str) -> str | None:
    """`opening` and the entries around the parameter asked for, as many as fit; null if not even that one does."""
    position = docstring.parameters.index(asked)
    chosen = [position]
    head = f"{opening}\n\nParameters\n----------\n"
    length = len(head) + len(_entry(asked))
    if length > EXTRACT_LENGTH:
        return None
    nearest = sorted(range(len(docstring.parameters)), key=lambda index: (abs(index - position), index))
    for index in nearest[1:3]:
        length += len(_entry(docstring.parameters[index])) + 1
        if length > EXTRACT_LENGTH:
            break
        chosen.append(index)
    return head + "\n".join(_entry(docstring.parameters[index]) for index in sorted(chosen))


def returns_extract(docstring: Docstring, opening: str) -> str | None:
    """`opening` and the entry of the return value; null if that is too long."""
    if docstring.returns is None:
        return None
    entry = Field(docstring.returns.name or "result", docstring.returns.type, docstring.returns.description)
    text = f"{opening}\n\nReturns\n-------\n{_entry(entry)}"
    return text if len(text) <= EXTRACT_LENGTH else None

"""Documentation strings taken apart: signature, summary, parameters, returns, examples, in the three usual styles."""

import re
from dataclasses import dataclass
from functools import cached_property

from stages.text.composition.sentences import capitalised, first_sentence, is_answer, plain


@dataclass(frozen=True)
class Argument:
    """One parameter of a signature."""

    name: str
    default: str | None
    """As written; null if a value must be given."""


@dataclass(frozen=True)
class Field:
    """A documented parameter or return value."""

    name: str
    type: str
    description: str
    """A whole sentence; empty if none can be read."""


@dataclass(frozen=True)
class Example:
    """One doctest: the statement and the value shown."""

    code: str
    output: str


@dataclass(frozen=True)
class Docstring:
    """A documented object; its parts are worked out when they are asked for."""

    name: str
    """Dotted, as the document's first line states it."""
    signature: str
    """As written, with parentheses; empty if the document shows none."""
    text: str
    """What follows the first line."""

    @property
    def last_name(self) -> str:
        """The last part of the name."""
        return self.name.rsplit(".", 1)[-1]

    @property
    def owner(self) -> str:
        """The class that a method belongs to; empty for functions and classes."""
        parts = self.name.split(".")
        return parts[-2] if len(parts) > 1 and parts[-2].strip("_")[:1].isupper() else ""

    @property
    def short_name(self) -> str:
        """`function`, or `Class.method`."""
        return f"{self.owner}.{self.last_name}" if self.owner else self.last_name

    @property
    def public(self) -> bool:
        """Whether one would call it by its name: no special or private method."""
        return not self.last_name.startswith("_")

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The parameters of the signature, without `self`, `cls`, markers and variadic ones."""
        return parse_arguments(self.signature)

    @cached_property
    def body(self) -> str:
        """The text without directives."""
        return _DIRECTIVE.sub("", self.text.strip("\n"))

    @cached_property
    def _parts(self) -> tuple[str, dict[str, str]]:
        return _sections(self.body)

    @cached_property
    def _paragraphs(self) -> list[str]:
        return [paragraph for paragraph in re.split(r"\n\s*\n", self._parts[0].strip()) if paragraph.strip()]

    @cached_property
    def summary(self) -> str:
        """The first sentence; empty if it cannot serve as an answer."""
        return (first_sentence(self._paragraphs[0]) or "") if self._paragraphs else ""

    @cached_property
    def details(self) -> str:
        """What follows the summary, before any section, as one plain paragraph; empty without a summary."""
        opening = plain(self._paragraphs[0]) if self._paragraphs else ""
        if not self.summary or not f"{opening}.".startswith(self.summary):
            return ""
        return " ".join([opening[len(self.summary) :].strip(), *map(plain, self._paragraphs[1:])]).strip()

    @cached_property
    def parameters(self) -> tuple[Field, ...]:
        """The documented parameters."""
        return _parameters(self.body, self._parts[1])

    @cached_property
    def returns(self) -> Field | None:
        """What the object returns or yields, if that is documented."""
        return _returns(self.body, self._parts[1])

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """One-line doctest statements whose value is shown on one line."""
        return doctests(self.body)


_HEADER = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?\s*$")
_UNDERLINED = re.compile(r"^[ \t]*([A-Z][\w /]+)[ \t]*\n[ \t]*[-=~]{3,}[ \t]*$", re.MULTILINE)
_COLON_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Keyword Args|Attributes|Returns?|Yields|Raises|Examples?|Notes?|Warnings?|Shape"
    r"|See Also|References):[ \t]*$",
    re.MULTILINE,
)
_NUMPY_FIELD = re.compile(r"^(\S[^:\n]*?)[ \t]*(?::[ \t]*(.*))?$")
_GOOGLE_FIELD = re.compile(r"^[ \t]+(\*{0,2}\w+)[ \t]*(?:\(([^()]*(?:\([^()]*\)[^()]*)*)\))?:[ \t]+(\S.*)$")
_SPHINX_FIELD = re.compile(r"^[ \t]*:(?:returns?|param[ \t]+(?:([\w. ]+?)[ \t]+)?(\*{0,2}\w+)):", re.MULTILINE)
_ANY_FIELD = re.compile(
    r"^[ \t]*:(?:param|parameter|arg|keyword|kwarg|type|returns?|rtype|raises?|yields?|var|ivar|cvar|meta)\b[^:\n]*:",
    re.MULTILINE,
)
_DIRECTIVE = re.compile(r"^[ \t]*\.\. .*(?:\n(?:[ \t]+\S.*|[ \t]*$))*", re.MULTILINE)


def parse(text: str) -> Docstring | None:
    """The documented object of a reference document; null if its first line is no dotted name."""
    header, _, body = text.partition("\n")
    match = _HEADER.match(header.strip())
    return Docstring(match[1], match[2] or "", body) if match else None


def _sections(body: str) -> tuple[str, dict[str, str]]:
    """The text before the first section, and the sections by lower-case title (underlined or `Args:` style)."""
    marks = sorted([*_UNDERLINED.finditer(body), *_COLON_SECTION.finditer(body)], key=lambda match: match.start())
    starts = [*(mark.start() for mark in marks), len(body)]
    sections = {mark[1].strip().lower(): body[mark.end() : end] for mark, end in zip(marks, starts[1:], strict=True)}
    lead = body[: marks[0].start()] if marks else body
    field = _ANY_FIELD.search(lead)
    return (lead[: field.start()] if field else lead), sections


def parse_arguments(signature: str) -> tuple[Argument, ...]:
    """The parameters of a signature in parentheses, without `self`, `cls`, markers and variadic ones."""
    found = []
    for part in _split(signature.strip()[1:-1]):
        head, has_default, default = _partition_default(part)
        name = head.split(":")[0].strip()
        if name.isidentifier() and name not in ("self", "cls"):
            found.append(Argument(name, default.strip() if has_default else None))
    return tuple(found)


def _split(inside: str) -> list[str]:
    """Split at commas that lie in no bracket and in no quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for position, character in enumerate(inside):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(inside[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, inside[start:]] if part.strip()]


def _partition_default(part: str) -> tuple[str, str, str]:
    """Split at the `=` of the default, not at one inside an annotation's brackets."""
    depth = 0
    for position, character in enumerate(part):
        depth += (character in "([{") - (character in ")]}")
        if character == "=" and depth == 0:
            return part[:position], "=", part[position + 1 :]
    return part, "", ""


def _parameters(body: str, sections: dict[str, str]) -> tuple[Field, ...]:
    for title in ("parameters", "args", "arguments"):
        if title in sections:
            return tuple(_google_fields(sections[title]) or _numpy_fields(sections[title]))
    return tuple(field for field in sphinx_fields(body) if field.name != "return")


def _numpy_fields(section: str) -> list[Field]:
    """Fields written as `name : type` with an indented description below."""
    lines = section.expandtabs().strip("\n").split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    fields: list[tuple[str, str, list[str]]] = []
    for line in (line[margin:] for line in lines):
        match = _NUMPY_FIELD.match(line)
        if line[:1].strip() and match:
            fields.append((match[1].strip(), (match[2] or "").strip(), []))
        elif fields:
            fields[-1][2].append(line.strip())
    return [_field(name, kind, description) for name, kind, description in fields]


def _google_fields(section: str) -> list[Field]:
    """Fields written as `name (type): description`, continued with deeper indentation."""
    fields: list[tuple[str, str, int, list[str]]] = []
    for line in section.strip("\n").split("\n"):
        indent = len(line) - len(line.lstrip())
        match = _GOOGLE_FIELD.match(line)
        if match and (not fields or indent <= fields[0][2]):
            fields.append((match[1], match[2] or "", indent, [match[3]]))
        elif fields:
            fields[-1][3].append(line.strip())
    return [_field(name, kind, description) for name, kind, _, description in fields]


def sphinx_fields(body: str) -> tuple[Field, ...]:
    """Fields written as `:param name: description`; a return value has the name `return`."""
    marks = list(_SPHINX_FIELD.finditer(body))
    found = []
    for mark in marks:
        following = _ANY_FIELD.search(body, mark.end())
        text = body[mark.end() : following.start() if following else len(body)]
        found.append(_field(mark[2] or "return", mark[1] or "", text.split("\n\n")[0].split("\n")))
    return tuple(found)


def _field(name: str, kind: str, description: list[str]) -> Field:
    paragraph = " ".join(" ".join(description).split("\n\n")[0].split())
    words = plain(paragraph)
    sentence = first_sentence(capitalised(words)) if words else None
    readable_type = plain(kind).rstrip(".")
    return Field(name.strip("*`"), readable_type if len(readable_type) <= 60 else "", sentence or "")


def _returns(body: str, sections: dict[str, str]) -> Field | None:
    section = sections.get("returns") or sections.get("return") or sections.get("yields")
    if section is None:
        return next((field for field in sphinx_fields(body) if field.name == "return" and field.description), None)
    fields = _numpy_fields(section)
    if not fields:
        return None
    first = fields[0]
    if first.type == "" and not first.description:  # prose, as in Google style
        sentence = first_sentence(capitalised(plain(section.split("\n\n")[0])))
        return Field("", "", sentence) if sentence and is_answer(sentence) else None
    return first


def doctests(body: str) -> tuple[Example, ...]:
    """One-line doctest statements whose value is shown on one line."""
    lines = [line.strip() for line in body.split("\n")]
    found = []
    for line, output, after in zip(lines, lines[1:], [*lines[2:], ""], strict=False):
        shown = output and not output.startswith((">>>", "...", "Traceback"))
        if line.startswith(">>> ") and shown and (not after or after.startswith(">>>")):
            found.append(Example(line[4:].split("  #")[0].strip(), output))
    return tuple(found)

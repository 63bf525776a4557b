"""Prose taken apart: headings, the paragraphs below them, lists of steps, and sentences that define a term."""

import re
from dataclasses import dataclass

from stages.text.composition.sentences import is_answer, plain, sentences

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$|^(\S[^\n]{1,70})\n([=\-~^*\"'#+.])\3{2,}[ \t]*$", re.MULTILINE)
_BULLET = r"(?:[-*+\u2022]|\d{1,2}[.)])[ \t]"
_LIST_ITEM = re.compile(rf"^[ \t]*{_BULLET}+(\S.*(?:\n[ \t]{{2,}}(?!{_BULLET})\S.*)*)", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:An? |The )?(`?[A-Za-z][\w .-]{2,40}?`?) (?:is|are) (?:an?|the|one of)\b")
_PRONOUNS = "it this that these those there they he she we you which what here one each every some any all if when"
_NO_TERM = frozenset(_PRONOUNS.split())


@dataclass(frozen=True)
class Passage:
    """A paragraph or list and the heading that it stands under."""

    heading: str
    """Empty if none stands above it."""
    sentences: tuple[str, ...]
    """Whole sentences that read well; those of the paragraph up to the first that does not."""
    steps: tuple[str, ...]
    """Entries of a list, plain; empty for a paragraph."""

    @property
    def text(self) -> str:
        """The sentences as a paragraph."""
        return " ".join(self.sentences)


def passages(text: str) -> tuple[Passage, ...]:
    """The paragraphs and lists of a Markdown, reStructuredText or plain text that hold at least one whole sentence."""
    found = []
    for heading, body in _headed(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        steps = tuple(filter(None, (_step(match[1]) for match in _LIST_ITEM.finditer(body))))
        paragraphs = [_readable(paragraph) for paragraph in re.split(r"\n\s*\n", _LIST_ITEM.sub("", body))]
        found += [Passage(heading, paragraph, ()) for paragraph in paragraphs if paragraph]
        if len(steps) >= 2:
            found.append(Passage(heading, (), steps))
    return tuple(found)


def _headed(text: str) -> list[tuple[str, str]]:
    """Each heading with the text up to the next one; the first may be empty."""
    marks = list(_HEADING.finditer(text))
    starts = [*(mark.start() for mark in marks), len(text)]
    titles = [plain(mark[1] or mark[2]) for mark in marks]
    bodies = [text[mark.end() : end] for mark, end in zip(marks, starts[1:], strict=True)]
    return [("", text[: starts[0]]), *zip(titles, bodies, strict=True)]


def _step(entry: str) -> str | None:
    step = plain(entry).rstrip(".;,")
    good = 8 <= len(step) <= 80 and step.isascii() and step[-1] != ":" and len(step.split()) >= 2
    return step if good and not re.search(r"https?:|[<>{}|\\#\[\]]|\w_\w+_", step) else None


def _readable(paragraph: str) -> tuple[str, ...]:
    kept = []
    for sentence in sentences(plain(paragraph)):
        if not is_answer(sentence):
            break
        kept.append(sentence)
    return tuple(kept)


def defined_term(sentence: str) -> str | None:
    """The term that a sentence of the form `X is a ...` defines; null for other sentences."""
    match = _DEFINITION.match(sentence)
    if match is None or match[1].split()[0].lower() in _NO_TERM or len(match[1].split()) > 4:
        return None
    return match[1].strip()

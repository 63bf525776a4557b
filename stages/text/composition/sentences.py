"""Plain sentences out of marked-up text: what an answer may be made of."""

import re

SHORTEST, LONGEST = 20, 180
"""Characters of a sentence that can serve as an answer."""

_ROLE = re.compile(r":[\w:+-]+:`([^`]*)`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^>]*>`_{0,2}")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_REFERENCE = re.compile(r"`([^`<>]+)`__?(?!\w)")
_FOOTNOTE = re.compile(r"\s*\[[\w#*]+\]_")
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z`\"'(\[0-9]|\s*$)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|eq|fig|no|al|ref|refs|incl|Dr|Mr|St)|\b[A-Za-z])$")
# Formulas, code, tables, addresses and directives do not read as sentences.
_UNREADABLE = re.compile(r"\\|\$|\{|\}|>>>|https?:|::|\.\.\s|\|| =+ |--|[<>=]{2}|^[-*+]\s|\*\*|@|: - | - \w+: |\[\w|`_")

# A list, formula or code followed, and the sentence is not whole without it.
_DANGLING_WORDS = "a an and are as by following if is like or that the using via when where with"
_DANGLING = frozenset(_DANGLING_WORDS.split())


def plain(text: str) -> str:
    """Text without reStructuredText and Markdown markup, on one line; code keeps single backticks."""
    text = _ROLE.sub(lambda match: f"`{_target(match[1])}`", text)
    text = _REFERENCE.sub(r"\1", _LINK.sub(r"\1", text.replace("``", "`")))
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _FOOTNOTE.sub("", text)
    text = re.sub(r"(?<![\w*])\*{1,2}([^*\s](?:[^*]*[^*\s])?)\*{1,2}(?![\w*])", r"\1", text)
    return " ".join(text.split())


def _target(role: str) -> str:
    """What a role shows: the title before an address, and the last part of a name written with `~` or leading dots."""
    title = role.split("<")[0].strip() or role.strip("<>")
    title = re.sub(r"^[.!]*_\w+\.", "", title)  # SQLAlchemy writes short names of modules, such as `_schema.`
    return title.rsplit(".", 1)[-1] if title.startswith("~") else title.lstrip(".!")


def sentences(text: str) -> list[str]:
    """The sentences of a plain text, without what follows the last full stop."""
    found, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() == len(text) or not _ABBREVIATION.search(text[start : match.start()]):
            found.append(text[start : match.end()].strip())
            start = match.end()
    return found


def first_sentence(text: str) -> str | None:
    """The first sentence of a marked-up paragraph if it can serve as an answer; a missing full stop is added."""
    whole = plain(text)
    if whole and whole[-1] not in ".!?:;,":
        whole += "."
    found = sentences(whole)
    return found[0] if found and is_answer(found[0]) else None


def is_answer(sentence: str) -> bool:
    """Whether a sentence reads well alone: whole, of sane length, mostly words."""
    if not SHORTEST <= len(sentence) <= LONGEST or sentence[-1] not in ".!?" or sentence.count("`") % 2:
        return False
    if not (sentence[0].isupper() or sentence[0] == "`") or _UNREADABLE.search(sentence):
        return False
    words = sentence.split()
    if words[-1].rstrip(".").lower() in _DANGLING:
        return False
    if words[0] in ("See", "TODO:", "Note:", "Example:"):  # points elsewhere instead of saying something
        return False
    letters = sum(character.isalpha() or character == " " for character in sentence)
    return len(words) >= 4 and letters / len(sentence) >= 0.8 and sentence.isascii()


def capitalised(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def listed(items: tuple[str, ...]) -> str:
    """Items as they stand in a sentence: `a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"

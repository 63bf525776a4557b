"""Documents from files of the formats that people keep text in: prose, pages, source code, lines of JSON, tables."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from stages.text.contents import LARGEST_TEXT, TOO_LONG, Content, require_short_lines, whole
from stages.text.encodings import declared_encoding, decode
from stages.text.pages import read_page
from stages.text.python_source import module_name, read_module, reference_text, without_docstrings
from stages.text.reading import RawDocument, Reading, UnreadableError
from stages.text.rows import HALF_CHARACTER, TABLE_SUFFIXES, is_text, rows

PROSE_SUFFIXES = (".txt", ".md", ".rst")
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
CODE_SUFFIXES = (
    *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cs", ".m", ".swift", ".rs", ".go", ".zig"),
    *(".java", ".kt", ".kts", ".scala", ".clj", ".groovy", ".js", ".jsx", ".mjs", ".ts", ".tsx", ".php", ".rb", ".pl"),
    *(".pm", ".lua", ".r", ".jl", ".f90", ".hs", ".ml", ".ex", ".exs", ".erl", ".el", ".lisp", ".dart", ".sql", ".sh"),
)
"""Of languages the files of which are taken as they are; those of Python come apart into docstrings and code."""

SUFFIXES = (*PROSE_SUFFIXES, *PAGE_SUFFIXES, ".py", *CODE_SUFFIXES, *TABLE_SUFFIXES)

# Behind a blank line and before a line at the margin: a new paragraph, or a new top-level definition.
_GAP = re.compile(r"(?<=\n\n)(?=\S)")

_MARKDOWN_UNSEEN = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", re.DOTALL)
_MARKDOWN_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def markdown_text(text: str) -> str:
    """Markdown without comments, images and the addresses of links, none of which a reader sees."""
    return _MARKDOWN_LINK.sub(r"\1", _MARKDOWN_UNSEEN.sub("", text))


def pieces(text: str, most_characters: int) -> Iterator[str]:
    """The text in stretches of at most `most_characters`, cut between paragraphs or top-level definitions.

    A paragraph longer than that stays whole. A stretch that the text repeats comes once.
    """
    stretches = [""]
    for block in _GAP.split(text):
        if stretches[-1] and len(stretches[-1]) + len(block) > most_characters:
            stretches.append("")
        stretches[-1] += block
    yield from dict.fromkeys(stretch.strip("\n") for stretch in stretches if stretch.strip())


class Text(NamedTuple):
    """A text of a file before it is cut."""

    place: str
    kind: str
    text: str
    name: str | None = None
    """Of the documented object; such a text is not cut."""
    version: str | None = None
    date: str | None = None


def read_file(
    path: str, content: Content, column: str, reading: Reading, most_characters: int, page_seconds: float
) -> Iterator[RawDocument]:
    """The documents of one file; what cannot be read is listed in `reading`, never raised.

    `path` is relative to the source's root. `column` holds the text in formats that have columns, one document a row;
    these are read a few rows at a time, and of one that breaks off the rows before that are kept. Any other file is
    read whole, up to `LARGEST_FILE` bytes. Documents other than docstrings are cut into `pieces`.
    """
    readable = path.encode(errors="backslashreplace").decode()
    if readable != path:
        reading.skip(readable, "its name is not UTF-8")
        return
    try:
        for one in _texts(path, content, column, reading, page_seconds):
            for piece in [one.text] if one.name else pieces(one.text, most_characters):
                if len(piece) > LARGEST_TEXT:
                    reading.skip(one.place, TOO_LONG)
                    continue
                yield RawDocument(
                    reading.source, one.place, one.name, one.kind, reading.licence, one.version, piece, one.date
                )
        reading.files_read += 1
    except UnreadableError as error:
        reading.skip(path, str(error))


def _texts(path: str, content: Content, column: str, reading: Reading, page_seconds: float) -> Iterator[Text]:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in TABLE_SUFFIXES:
        for place, value, date in rows(path, content, column, reading):
            yield Text(place, "prose", value, date=date)
        return
    found = whole(content)
    require_short_lines(found)
    may_declare = suffix in PAGE_SUFFIXES or suffix == ".py"
    text, is_recoded = decode(found, declared_encoding(found, suffix) if may_declare else None)
    if suffix == ".py":
        yield from _docstrings(path, text, reading)
        yield Text(path, "code", without_docstrings(text))
    elif suffix in PAGE_SUFFIXES:
        main, date = read_page(text, page_seconds)
        yield Text(path, "web", main, date=date)
    elif suffix in CODE_SUFFIXES:
        yield Text(path, "code", text)
    else:
        yield Text(path, "prose", markdown_text(text) if suffix == ".md" else text)
    reading.files_recoded += is_recoded


def _docstrings(path: str, text: str, reading: Reading) -> Iterator[Text]:
    module = module_name(path)
    try:
        documented = read_module(text, module, is_package=path.endswith("__init__.py")).documented
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last for deep nesting
        raise UnreadableError(f"not Python: {error}") from error
    for item in documented:
        name = f"{module}.{item.name}" if item.name else module
        reference = reference_text(name, item)
        if is_text(reference):
            yield Text(path, "reference", reference, name, item.version_added)
        else:
            reading.skip(f"{path}#{name}", HALF_CHARACTER)

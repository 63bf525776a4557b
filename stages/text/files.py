"""Documents from files of the formats that people keep text in: txt, md, rst, html, py, jsonl, Parquet and Arrow."""

import codecs
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from resiliparse.extract.html2text import extract_plain_text

from stages.text.contents import LARGEST_TEXT, TOO_LONG, Content, require_short_lines, whole
from stages.text.python_source import module_name, read_module, reference_text, without_docstrings
from stages.text.reading import RawDocument, Reading, UnreadableError
from stages.text.rows import HALF_CHARACTER, TABLE_SUFFIXES, is_text, rows

PROSE_SUFFIXES = (".txt", ".md", ".rst")
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
SUFFIXES = (*PROSE_SUFFIXES, *PAGE_SUFFIXES, ".py", *TABLE_SUFFIXES)

# Behind a blank line and before a line at the margin: a new paragraph, or a new top-level definition.
_GAP = re.compile(r"(?<=\n\n)(?=\S)")

_MARKDOWN_UNSEEN = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", re.DOTALL)
_MARKDOWN_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def decode(content: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 where it starts with that byte order mark."""
    if not content.strip():
        raise UnreadableError("empty")
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in content and not is_utf16:
        raise UnreadableError("binary: it holds null bytes")
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not {error.encoding}: {error.reason} at byte {error.start}") from error


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


def read_file(
    path: str, content: Content, column: str, reading: Reading, most_characters: int
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
        for place, name, kind, version, text in _texts(path, content, column, reading):
            for piece in [text] if name else pieces(text, most_characters):
                if len(piece) > LARGEST_TEXT:
                    reading.skip(place, TOO_LONG)
                else:
                    yield RawDocument(reading.source, place, name, kind, reading.licence, version, piece)
        reading.files_read += 1
    except UnreadableError as error:
        reading.skip(path, str(error))


Text = tuple[str, str | None, str, str | None, str]
"""Place, name, kind, version and text; only a docstring has a name."""


def _texts(path: str, content: Content, column: str, reading: Reading) -> Iterator[Text]:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in TABLE_SUFFIXES:
        for place, text in rows(path, content, column, reading):
            yield place, None, "prose", None, text
        return
    found = whole(content)
    require_short_lines(found)
    text = decode(found)
    if suffix == ".py":
        yield from _docstrings(path, text, reading)
        yield path, None, "code", None, without_docstrings(text)
    elif suffix in PAGE_SUFFIXES:
        yield path, None, "web", None, extract_plain_text(text, main_content=True)
    else:
        yield path, None, "prose", None, markdown_text(text) if suffix == ".md" else text


def _docstrings(path: str, text: str, reading: Reading) -> Iterator[Text]:
    module = module_name(path)
    try:
        documented = read_module(text, module, is_package=path.endswith("__init__.py")).documented
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UnreadableError(f"not Python: {error}") from error
    for item in documented:
        name = f"{module}.{item.name}" if item.name else module
        reference = reference_text(name, item)
        if is_text(reference):
            yield path, name, "reference", item.version_added, reference
        else:
            reading.skip(f"{path}#{name}", HALF_CHARACTER)

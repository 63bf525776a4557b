"""Text from bytes: UTF-8, or the encoding that a mark, the file's own words or its letters tell."""

import codecs
import re

from resiliparse.parse.encoding import detect_encoding

from stages.text.reading import UnreadableError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, the mark of which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}
"""What stands for a name in practice: the WHATWG's Encoding Standard, section 4.2, as far as Python has the codecs."""

FALLBACK = "cp1252"
"""Where letters tell nothing: the Encoding Standard's default for text of the west."""

DAMAGED = 10
"""Letters in UTF-8, at least, for each byte that breaks it, to take a text as UTF-8 that was damaged."""

DETECTED = 2**17
"""Bytes that an encoding is told from."""

DECLARED = 1024
"""Bytes in which a page must say its encoding (HTML Standard, section 4.2.5.4)."""

_META = re.compile(rb"<meta[^>]{1,500}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]+encoding=[\"']([\w.:-]+)", re.I)
_PYTHON = re.compile(rb"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")  # PEP 263
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


SPELLINGS = ("idna", "punycode", "raw", "undefined", "unicode")


def declared_encoding(content: bytes, suffix: str) -> str | None:
    """The codec that a page or Python file says it is written in, if Python knows it; None if it says none or UTF-8."""
    found = (_PYTHON if suffix == ".py" else _META).search(content[:DECLARED])
    if found is None:
        return None
    try:
        known = codecs.lookup(next(filter(None, found.groups())).decode())
    except (LookupError, UnicodeDecodeError):
        return None
    # Python has codecs between bytes, and for spellings of text within text: no file is written in one of these.
    if not known._is_text_encoding or known.name.startswith(("utf", *SPELLINGS)):
        return None
    return WIDER.get(known.name, known.name)


def decode(content: bytes, declared: str | None = None) -> tuple[str, bool]:
    """The text of a file, and whether it was in another encoding than it should have or is marked with, or damaged.

    UTF-8, where a file is that, goes before what the file declares: bytes beyond ASCII are UTF-8 by chance in no other
    encoding. Lines end in newlines. UnreadableError for what is empty or no text.
    """
    if not content.strip():
        raise UnreadableError("empty")
    marked = next((encoding for mark, encoding in MARKS if content.startswith(mark)), None)
    if marked is None and b"\0" in content:
        raise UnreadableError("binary: it holds null bytes")
    try:
        if marked is None and declared is not None and content.isascii():
            text = content.decode(declared)
            return _lines(text), text != content.decode()
        return _lines(content.decode(marked or "utf-8")), False
    except UnicodeDecodeError as error:
        if marked is not None:
            raise UnreadableError(f"not {error.encoding}: {error.reason} at byte {error.start}") from error
    return _lines(_recoded(content, declared)), True


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _recoded(content: bytes, declared: str | None) -> str:
    mended = content.decode(errors="replace")
    broken = mended.count("\ufffd")
    if broken * DAMAGED <= sum(map(len, re.findall(r"[^\x00-\x7f]+", mended))) - broken:
        return mended
    detected = detect_encoding(content, max_len=DETECTED, html5_compatible=False)
    for encoding in filter(None, (declared, detected, FALLBACK)):
        try:
            text = content.decode(encoding)
        except (UnicodeError, LookupError):
            continue
        if not _CONTROL.search(text):
            return text
    raise UnreadableError("binary, or in no encoding that is known")

"""Mend text without changing what it says: mojibake, Unicode form, control characters, line ends, blank lines."""

import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from ftfy import TextFixerConfig, fix_text
from ftfy.badness import is_bad

# All but tab and line feed; also zero-width and direction marks, which hide differences between words.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")
_LINE_END = re.compile(r"[ \t]+\n")
_BLANK_LINES = re.compile(r"\n{4,}")

# RE2 looks for all that may have to be mended at once, some ten times faster than one after the other.
_MAY_BE_MENDED = r"[^\t\n -~]|[ \t]\n|\n{4}|\A\n|[ \t\n]\z"
_BEYOND_ASCII = re.compile("[^\x00-\x7f]+(?:[\x00-\x7f]{1,16}[^\x00-\x7f]+)*")
_REACH = 8
"""Characters around one beyond ASCII that may belong to a sign of mojibake; ftfy's longest has seven in all."""

_MOJIBAKE_ONLY = TextFixerConfig(
    unescape_html=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_terminal_escapes=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)


def looks_bad(text: str) -> bool:
    """What `is_bad` says of the text, asked only where there are characters beyond ASCII: all signs have one."""
    stretches = (match.span() for match in _BEYOND_ASCII.finditer(text))
    return any(is_bad(text[max(first - _REACH, 0) : end + _REACH]) for first, end in stretches)


def repair_all(texts: Sequence[str]) -> list[str]:
    """`repair` of each text."""
    may_be_mended = pc.match_substring_regex(pa.array(texts, pa.large_string()), _MAY_BE_MENDED).to_pylist()
    return [repair(text) if one else text for text, one in zip(texts, may_be_mended, strict=True)]


def repair(text: str) -> str:
    """The mended text. Doing it twice changes nothing more."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        if looks_bad(text):  # far cheaper than the repair, and rarely true
            text = fix_text(text, _MOJIBAKE_ONLY)
        text = unicodedata.normalize("NFC", text)
    text = _INVISIBLE.sub("", text)
    if " \n" in text or "\t\n" in text:  # the search below would stop at every space
        text = _LINE_END.sub("\n", text)
    if "\n\n\n\n" in text:  # for the same reason
        text = _BLANK_LINES.sub("\n\n\n", text)
    return text.strip("\n").rstrip()

"""Mend text without changing what it says: mojibake, Unicode form, control characters, line ends, blank lines."""

import re
import unicodedata

from ftfy import TextFixerConfig, fix_text
from ftfy.badness import is_bad

# All but tab and line feed; also zero-width and direction marks, which hide differences between words.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")
_LINE_END = re.compile(r"[ \t]+\n")
_BLANK_LINES = re.compile(r"\n{4,}")

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


def repair(text: str) -> str:
    """The mended text. Doing it twice changes nothing more."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        if is_bad(text):  # far cheaper than the repair, and rarely true
            text = fix_text(text, _MOJIBAKE_ONLY)
        text = unicodedata.normalize("NFC", text)
    text = _INVISIBLE.sub("", text)
    if " \n" in text or "\t\n" in text:  # the search below would stop at every space
        text = _LINE_END.sub("\n", text)
    if "\n\n\n\n" in text:  # for the same reason
        text = _BLANK_LINES.sub("\n\n\n", text)
    return text.strip("\n").rstrip()

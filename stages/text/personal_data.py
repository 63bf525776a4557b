"""Find and mask what identifies people or opens their accounts, each kind by one fixed placeholder."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_DIGIT = re.compile(r"\d")
_ASCII_DIGITS_AS_ZERO = str.maketrans("123456789", "000000000")


def digit_shape(text: str) -> str:
    """The text with 0 in place of every digit."""
    # Among characters beyond ASCII there are other digits, which only the slower way finds.
    return text.translate(_ASCII_DIGITS_AS_ZERO) if text.isascii() else _DIGIT.sub("0", text)


@dataclass(frozen=True)
class Pattern:
    """One kind of personal data."""

    name: str
    placeholder: str
    expression: re.Pattern[str]
    """Starts with no look-behind, which would make the search several times slower; see `not_after`."""
    not_after: str
    """Characters that must not stand before a match; letters, digits and underscores never may."""
    hints: tuple[str, ...]
    """One of these is in the `digit_shape` of every match; a text without any is not searched, which saves most of the
    time."""
    is_real: Callable[[re.Match[str]], bool] = lambda match: True
    """What an expression cannot say."""

    def spans(self, text: str, shape: str) -> list[tuple[int, int]]:
        """Where the text, whose `digit_shape` is given, holds such data."""
        if not any(hint in shape for hint in self.hints):
            return []
        return [
            match.span()
            for match in self.expression.finditer(text)
            if self._stands_alone(text, match.start()) and self.is_real(match)
        ]

    def _stands_alone(self, text: str, start: int) -> bool:
        before = text[start - 1] if start else " "
        return not (before.isalnum() or before == "_" or before in self.not_after)


def is_public_address(match: re.Match[str]) -> bool:
    """Whether four numbers are an address on the public internet."""
    try:
        return ipaddress.IPv4Address(match[0]).is_global
    except ipaddress.AddressValueError:
        return False


def passes_luhn(match: re.Match[str]) -> bool:
    """Whether the digits end in the check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in match[0] if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_no_reference(match: re.Match[str]) -> bool:
    """Whether nothing just before the digits says that they number a book or a paper."""
    before = match.string[max(0, match.start() - 30) : match.start()].lower()
    return not any(word in before for word in ("isbn", "issn", "doi", "arxiv", "pmid"))


_SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"AKIA[0-9A-Z]{16}\b",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_\w{40,}",
    r"glpat-[\w-]{20,}",
    r"xox[abprs]-[\w-]{10,}",
    r"sk-[A-Za-z0-9_-]{32,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"AIza[\w-]{35}",
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
)
_SECRET_HINTS = ("PRIVATE KEY", "AKIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-")
_MORE_SECRET_HINTS = ("xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "sk-", "hf_", "AIza", "eyJ")
_CARD_HINTS = ("0" * 15, "0000 0000 0000 0000", "0000-0000-0000-0000")
_ADDRESS_HINTS = tuple(f".{second}.{third}." for second in ("0", "00", "000") for third in ("0", "00", "000"))
_END = r"(?![\w-]|\.\d)"

PATTERNS = (
    Pattern(
        "secret",
        "<secret>",
        re.compile("|".join(_SECRETS), re.DOTALL),
        "",
        _SECRET_HINTS + _MORE_SECRET_HINTS,
    ),
    Pattern(
        "email",
        "<email>",
        # Not followed by a call or an index: `a@b.conj()` is a matrix product.
        re.compile(r"[A-Za-z0-9][\w.+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![\w(\[])"),
        ".+-",
        ("@",),
    ),
    Pattern(
        "card_number",
        "<card-number>",
        re.compile(r"(?:[3-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}|3[47]\d{13})" + _END),
        ".-",
        _CARD_HINTS,
        passes_luhn,
    ),
    Pattern(
        "phone_number",
        "<phone-number>",
        re.compile(r"\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){1,4}" + _END),
        ".+-/",
        ("+0",),
        is_no_reference,
    ),
    Pattern(
        "phone_number",
        "<phone-number>",
        re.compile(r"(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}" + _END),
        ".+-/",
        ("000-0000",),
        is_no_reference,
    ),
    Pattern(
        "ip_address",
        "<ip-address>",
        re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}" + _END),
        ".=-",
        _ADDRESS_HINTS,
        is_public_address,
    ),
)


def find(text: str) -> list[str]:
    """The names of the kinds of personal data in a text, one for each span."""
    shape = digit_shape(text)
    return [pattern.name for pattern in PATTERNS for _ in pattern.spans(text, shape)]


# RE2 looks for all kinds at once, many times faster than one after the other. It knows neither look-ahead nor
# back-reference: each of these matches wherever one of the expressions above does, and at few other places.
_ANY_KIND = "|".join(
    (
        "PRIVATE KEY|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_|glpat-|xox[abprs]-",
        "sk-[A-Za-z0-9_-]{32}|hf_[A-Za-z0-9]{30}|AIza|eyJ",
        r"[^\x00-*,/:-@\[-^`{-\x7f]@[A-Za-z0-9-]+\.[A-Za-z0-9-]",
        r"\p{Nd}{15}|\p{Nd}{4}[ -]\p{Nd}{4}[ -]\p{Nd}{4}[ -]\p{Nd}{4}",
        r"\+[1-9]\p{Nd}{0,2}[ .-]?(?:\(\p{Nd}{1,4}\)[ .-]?)?\p{Nd}{2,4}[ .-]\p{Nd}{2}",
        r"\p{Nd}{3}(?:-|\) ?)\p{Nd}{3}-\p{Nd}{4}",
        r"\p{Nd}\.\p{Nd}{1,3}\.\p{Nd}{1,3}\.\p{Nd}",
    )
)


def mask_all(texts: Sequence[str]) -> list[tuple[str, int]]:
    """`mask` of each text."""
    may_hold = pc.match_substring_regex(pa.array(texts, pa.large_string()), _ANY_KIND).to_pylist()
    return [mask(text) if one else (text, 0) for text, one in zip(texts, may_hold, strict=True)]


def mask(text: str) -> tuple[str, int]:
    """The text with placeholders in place of personal data, and how many were put in."""
    total = 0
    shape = digit_shape(text)
    for pattern in PATTERNS:
        spans = pattern.spans(text, shape)
        for start, end in reversed(spans):
            text, shape = (f"{whole[:start]}{pattern.placeholder}{whole[end:]}" for whole in (text, shape))
        total += len(spans)
    return text, total

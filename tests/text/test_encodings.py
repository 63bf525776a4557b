# ruff: noqa: RUF001
import pytest

from stages.text.encodings import declared_encoding, decode
from stages.text.reading import UnreadableError

FRENCH = "Le garçon mangeait déjà à l'hôtel près de la forêt, où l'été était agréable. Il coûtait 50 € à Noël. "
LATIN_9 = "L'œuvre coûte 50 € à la mère de l'élève, déjà très fatigué par l'été à Noël. "
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń, a także źródła są ważne w Łodzi. "
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. "
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。ニャーニャー泣いていた。"
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. "
SIMPLIFIED = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。"
TRADITIONAL = "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"PK\x03\x04\x00\x00", "binary: it holds null bytes"),
        (b"\x89PNG\r\n\x1a\n\xff\xd8\xff", "binary, or in no encoding"),
        ("Text".encode("utf-16")[:-1], "not utf-16"),
    ],
)
def test_what_is_no_text_says_why(content, reason):
    with pytest.raises(UnreadableError, match=reason):
        decode(content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_choose_the_encoding_and_are_no_text(encoding):
    assert decode("é\r\nb".encode(encoding)) == ("é\nb", False)


@pytest.mark.parametrize("times", [1, 10])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        (LATIN_9, "iso-8859-15"),
        (CZECH, "iso-8859-2"),
        (CZECH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (SIMPLIFIED, "gb18030"),
        (TRADITIONAL, "big5"),
    ],
)
def test_an_encoding_is_told_from_the_letters(text, encoding, times):
    assert decode((text * times).encode(encoding)) == (text * times, True)


def test_a_few_letters_of_the_west_are_enough():
    assert decode(b"caf\xe9") == ("café", True)
    assert decode(b"\x93quoted\x94 \x96 50 \x80") == ("“quoted” – 50 €", True)


def test_utf_8_with_few_broken_bytes_is_mended():
    sound = FRENCH * 10
    assert decode(sound.encode() + b"caf\xe9 noir") == (f"{sound}caf\ufffd noir", True)


NO_ENCODINGS_OF_FILES = ["hex", "rot13", "base64", "undefined", "punycode", "idna", "unicode_escape"]
"""Codecs of Python between bytes, or between spellings of a text."""


@pytest.mark.parametrize(
    ("content", "suffix", "encoding"),
    [
        (b'<meta charset="iso-8859-1">', ".html", "cp1252"),
        (b"<META http-equiv=x content='text/html; charset=EUC-KR'>", ".html", "cp949"),
        (b'<?xml version="1.0" encoding="Shift_JIS"?>', ".xhtml", "cp932"),
        (b"<meta charset=utf-8>", ".html", None),
        (b"<meta charset=nonsense>", ".html", None),
        (b" " * 2_000 + b"<meta charset=koi8-r>", ".html", None),
        (b"#!/usr/bin/python\n# -*- coding: koi8-r -*-", ".py", "koi8-r"),
        (b"\n\n# coding: koi8-r", ".py", None),
        *((f"# coding: {name}".encode(), ".py", None) for name in NO_ENCODINGS_OF_FILES),
    ],
)
def test_a_file_may_declare_its_encoding(content, suffix, encoding):
    assert declared_encoding(content, suffix) == encoding


def test_what_is_declared_goes_before_the_letters_and_utf_8_before_what_is_declared():
    assert decode("déjà".encode("cp1252"), "koi8-r")[0] == "déjà".encode("cp1252").decode("koi8-r")
    assert decode("déjà".encode(), "cp1252") == ("déjà", False)
    assert decode(b"plain", "cp1252") == ("plain", False)
    assert decode(JAPANESE.encode("iso2022_jp"), "iso2022_jp") == (JAPANESE, True)
    assert decode("déjà".encode("cp1252"), "shift_jis") == ("déjà", True)  # which these bytes are not

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.personal_data import PATTERNS, digit_shape, find, mask, mask_all

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to a.b+c@post.example.org.", "write to <email>."),
        ("server 93.184.215.14 is up", "server <ip-address> is up"),
        ("call +44 20 7946 0958 now", "call <phone-number> now"),
        ("call (555) 867-5309 or 555-867-5309", "call <phone-number> or <phone-number>"),
        ("paid with 4111 1111 1111 1111.", "paid with <card-number>."),
        ("paid with 4111111111111111", "paid with <card-number>"),
        ("amex 378282246310005", "amex <card-number>"),
        ("paid with 4111-1111-1111-1111", "paid with <card-number>"),
        ("call \u0665\u0665\u0665-867-\u0665309", "call <phone-number>"),
        ("at 8.8.104.4 and by a@b.org or 8.104.8.8", "at <ip-address> and by <email> or <ip-address>"),
        ("key AKIAIOSFODNN7EXAMPLE!", "key <secret>!"),
        ("token ghp_" + "a1" * 18, "token <secret>"),
        (f"before {KEY} after", "before <secret> after"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "<secret>"),
    ],
)
def test_personal_data_is_masked_by_its_placeholder(text, masked):
    assert mask(text)[0] == masked
    assert mask(masked) == (masked, 0)


@pytest.mark.parametrize(
    "text",
    [
        "A@B.conj() and x@w.T(1) are products",
        "scott:tiger@localhost/test",
        "127.0.0.1, 192.168.0.1, 10.0.0.255 and 999.1.1.1 reach nobody",
        "version==1.2.3.4 and v8.8.8.8 and 1.2.3.4.5",
        "4111 1111 1111 1112 fails the check digit",
        "0.4111111111111111 is a fraction and 41111111111111111 too long",
        "ISBN 555-867-5309",
        "3-555-867-5309 and 2024-01-15 10:30",
        "x = 1+234 5678",
        "the risk-adjusted-return-of-many-assets-and-more-of-them is a word? no: sk-adjusted",
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert mask(text) == (text, 0)


def test_spans_are_counted_by_kind():
    assert find("a@b.org, c@d.org and 8.8.8.8") == ["email", "email", "ip_address"]
    assert mask("a@b.org, c@d.org and 8.8.8.8")[1] == 3


def test_a_shape_has_0_for_every_digit_of_any_script():
    assert digit_shape("tel. +44 20 7946") == "tel. +00 00 0000"
    assert digit_shape("caf\u00e9 \u0665 9 \u00b2") == "caf\u00e9 0 0 \u00b2"


PIECES = ["a.b@post.org", "93.184.215.14", "+44 20 7946 0958", "555-867-5309", "4111-1111-1111-1111", "sk-" + "a1" * 20]
SIGNS = st.sampled_from([*PIECES, *"@.+-0 5\u0665\u09e6a\n", *(hint for pattern in PATTERNS for hint in pattern.hints)])


@given(st.lists(st.lists(SIGNS, max_size=8).map("".join) | st.text(), max_size=5))
def test_many_texts_are_masked_as_each_alone(texts):
    assert mask_all(texts) == [mask(text) for text in texts]

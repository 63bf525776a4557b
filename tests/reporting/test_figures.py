import pytest

from stages.reporting.figures import count, interval, is_share, number, verdict_row
from tests.results import claim, figure


@pytest.mark.parametrize(
    ("value", "percent", "shown"),
    [
        (None, False, "not measured"),
        (1234567, False, "1,234,567"),
        (2.0, False, "2"),
        (1.23456, False, "1.235"),
        (123.456, False, "123"),
        (0.00012, False, "1.2e\N{MINUS SIGN}04"),
        (-0.5, False, "\N{MINUS SIGN}0.500"),
        (0.725, True, "72.5\N{NO-BREAK SPACE}%"),
    ],
)
def test_numbers_are_shown_at_a_readable_precision(value, percent, shown):
    assert number(value, percent) == shown


def test_a_figure_without_an_interval_shows_none():
    assert interval(figure(1.5)) == ""
    assert interval(figure(1.5, 1.25, 1.75)) == "1.250 to 1.750"


def test_shares_are_told_by_the_first_part_of_the_name():
    assert is_share("decline_share.held_out.ppo")
    assert not is_share("bits_per_byte.test.ppo")


@pytest.mark.parametrize(
    ("side", "bound", "holds", "measured", "reason"),
    [
        ("high_below", 0.5, True, figure(0.3, 0.2, 0.4), "upper end 0.400 is below 0.500"),
        ("low_above", 0.25, False, figure(0.3, 0.2, 0.4), "lower end 0.200 is not above 0.250"),
        ("value_at_most", 0.25, False, figure(0.3, 0.2, 0.4), "value 0.300 is not at most 0.250"),
        ("value_at_least", 0.25, True, figure(0.3, 0.2, 0.4), "value 0.300 is at least 0.250"),
        ("low_above", 0.25, None, figure(None, n=0), "nothing to measure it on"),
        ("low_above", 0.1, None, figure(0.3, 0.2, 0.4, 50), "50 prompts, and at least 100 are needed to say"),
    ],
)
def test_a_verdict_gives_its_reason(side, bound, holds, measured, reason):
    row = verdict_row(claim("c", "hidden_score.ppo", side, bound, holds), {"hidden_score.ppo": measured})
    assert row.reason == reason
    unknown = "not measured" if measured["value"] is None else "too few to say"
    assert row.state == {True: "met", False: "not met", None: unknown}[holds]


def test_one_of_something_is_singular():
    assert count(figure(0.5, n=1)) == "1 prompt"
    assert count(figure(0.5, n=2000)) == "2,000 prompts"

import pytest

from stages.scoring.claims import Claim, Goals, claims, holds, verdicts
from stages.scoring.intervals import Figure

GOALS = Goals(stop_share=0.95, general_loss=0.03, decline_share=0.7, lookalike_share=0.15, group_size=100)


def figure(value, low, high, n=100):
    return Figure(value, low, high, n, "prompts", "bootstrap")


@pytest.mark.parametrize(
    ("side", "found", "verdict"),
    [
        ("high_below", figure(-0.2, -0.3, -0.1), True),
        ("high_below", figure(-0.2, -0.3, 0.1), False),
        ("low_above", figure(0.2, 0.1, 0.3), True),
        ("low_above", figure(0.2, -0.1, 0.3), False),
        ("value_at_most", figure(0.0, -1.0, 1.0), True),
        ("value_at_most", figure(0.1, -1.0, 1.0), False),
        ("value_at_least", figure(0.0, -1.0, 1.0), True),
        ("value_at_least", figure(-0.1, -1.0, 1.0), False),
    ],
)
def test_a_claim_holds_by_the_edge_or_the_value_that_it_names(side, found, verdict):
    assert holds(Claim("c", "", "f", side, 0.0), found) is verdict


def test_what_was_not_measured_on_enough_is_left_open():
    claim = Claim("c", "", "f", "low_above", 0.0, smallest_n=100)
    assert holds(claim, figure(1, 1, 1, n=99)) is None
    assert holds(claim, Figure(None, None, None, 0, "prompts", "bootstrap")) is None


def test_the_claim_against_xz_is_bounded_by_its_figure():
    bounds = {claim.name: claim.bound for claim in claims(GOALS, 1.75)}
    assert bounds["base_beats_xz"] == 1.75
    assert "base_beats_xz" not in {claim.name for claim in claims(GOALS, None)}


def test_goals_are_written_into_claims_and_their_bounds():
    by_name = {claim.name: claim for claim in claims(GOALS, None)}
    assert by_name["instruct_declines"].bound == 0.7
    assert "70%" in by_name["instruct_declines"].claim
    assert by_name["finetune_keeps_general_text"].bound == 0.03


def test_verdicts_carry_the_claim_and_whether_it_holds():
    [verdict] = verdicts([Claim("c", "It does.", "f", "low_above", 0.5)], {"f": figure(0.8, 0.7, 0.9)})
    assert verdict == {
        "name": "c",
        "claim": "It does.",
        "figure": "f",
        "side": "low_above",
        "bound": 0.5,
        "smallest_n": 1,
        "holds": True,
    }

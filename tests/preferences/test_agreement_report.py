"""The report holds what the statistics say, and nulls where nothing can be said."""

import json

import pytest

from stages.preferences.aggregation import grouped
from stages.preferences.agreement_report import agreement_report
from stages.preferences.records import AXES, Judgement, Ratings
from tests import specimens


def judgement(annotator: str, prompt_id: str, ranks: tuple[int, ...], marks: tuple[int, ...]) -> Judgement:
    """A judgement of answers a, bb, ccc, ... in this order, rated `marks` on every axis."""
    texts = {letter: letter * length for length, letter in enumerate("abcdef"[: len(ranks)], start=1)}
    ratings = [Ratings(helpfulness=mark, accuracy=mark, tone=mark, safety=mark) for mark in marks]
    about = {"id": f"{annotator}{prompt_id}", "prompt_id": prompt_id, "simulated": annotator == "simulated-1"}
    return specimens.judgement(annotator, texts, ranks, ratings, **about)


def test_figures_of_two_judges():
    groups = grouped(
        [
            judgement("anna", "p", (1, 2, 3), (5, 4, 1)),
            judgement("simulated-1", "p", (1, 3, 2), (5, 1, 4)),
            judgement("anna", "q", (1, 2, 2), (1, 3, 3)),
        ]
    )
    report = agreement_report(groups, {"a": "a", "b": "bb"}, 50, 0.95)
    assert (report["judgements"], report["prompts"], report["judges"]) == (3, 2, 2)
    assert report["simulated_share"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["current_sample_share"] == 0.0
    assert report["pairwise_agreement"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert report["first_shown_wins"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 6.0, "prompts": 3}
    # The longer answer wins once of three, twice half of nothing: pairs won are (c over b) and the tie of q.
    assert report["longer_wins"]["value"] == pytest.approx(1.5 / 9, abs=1e-4)
    # In q both pairs that ranks and ratings order are opposed; in p none of six.
    assert report["ratings_against_ranks"]["value"] == pytest.approx(2 / 8)
    assert report["kendall_tau_b"] == pytest.approx(1 / 3, abs=1e-4)
    assert [entry["judgements"] for entry in report["annotators"]] == [2, 1]


@pytest.mark.filterwarnings("error")
def test_answers_that_nobody_rated_are_ranked_all_the_same():
    unrated = Ratings(helpfulness=None, accuracy=None, tone=None, safety=None)
    one = judgement("anna", "p", (1, 2), (5, 4)).model_copy(update={"ratings": (unrated, unrated)})
    report = agreement_report(grouped([one]), {}, 20, 0.95)
    assert report["alpha"] == dict.fromkeys(AXES)
    assert report["ratings_against_ranks"]["value"] is None
    assert "NaN" not in json.dumps(report)


def test_one_judge_alone_gives_nulls_and_valid_json():
    report = agreement_report(grouped([judgement("anna", "p", (1, 2), (5, 4))]), {}, 20, 0.95)
    assert report["pairwise_agreement"]["value"] is None
    assert report["ceiling"] is None
    assert "NaN" not in json.dumps(report)

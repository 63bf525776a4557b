from stages.scoring.intervals import Figure, single, unmeasured
from stages.scoring.results import flat_metrics, write_stage_rows


def test_metrics_hold_what_was_measured_and_the_intervals_that_are_asked_for():
    figures = {
        "win_rate.a_over_b": Figure(0.6, 0.55, 0.65, 90, "prompts", "bootstrap"),
        "tone.a": Figure(0.5, 0.4, 0.6, 90, "prompts", "bootstrap"),
        "empty.a": unmeasured("prompts"),
        "bits.xz": single(1.5, 3, "documents"),
    }
    assert flat_metrics(figures, ["win_rate.a_over_b", "empty.a", "bits.xz"]) == {
        "win_rate_a_over_b": 0.6,
        "win_rate_a_over_b_low": 0.55,
        "win_rate_a_over_b_high": 0.65,
        "win_rate_a_over_b_n": 90,
        "tone_a": 0.5,
        "bits_xz": 1.5,
    }


def test_a_plot_row_leaves_empty_what_was_not_measured(tmp_path):
    write_stage_rows(
        tmp_path / "stages.csv", ["a"], {"tone.a": single(0.5, 1, "prompts"), "safety.a": unmeasured("prompts")}
    )
    header, row = (tmp_path / "stages.csv").read_text().splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert (cells["stage"], cells["tone"], cells["safety"]) == ("a", "0.5", "")

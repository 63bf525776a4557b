from stages.scoring.intervals import Figure, single, unmeasured
from stages.scoring.limits.finding import Finding, in_words, shortened


def test_a_figure_reads_with_its_interval_and_count():
    assert in_words(Figure(0.31, 0.2412, 0.39, 120, "prompts", "wilson")) == "0.31 (0.241 to 0.39, 120 prompts)"
    assert in_words(single(2.5, 3, "documents")) == "2.5 (3 documents)"
    assert in_words(unmeasured("prompts")) == "not measured"


def test_a_record_reads_its_figures_out():
    figures = {"instruct": single(1, 2, "items"), "ppo": unmeasured("items")}
    record = Finding("bias", "n", "q", "m", "0", figures, "c", []).record()
    assert record["reading"] == "instruct: 1 (2 items); ppo: not measured"
    assert record["figures"]["instruct"]["value"] == 1


def test_examples_are_cut_to_a_length():
    assert shortened("short") == "short"
    assert shortened("x" * 500) == "x" * 400 + " …"

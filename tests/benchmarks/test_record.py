import json

from benchmarks.record import Row, beside, most, table, write


def test_results_name_machine_date_commit_and_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write("speed", [Row("clean: work", "s", 1.5, goal=2.0)])
    content = json.loads(path.read_text())
    assert path == path.parent / "speed.json"
    assert content["machine"]["cores"] >= 1
    assert {"machine", "date", "commit", "rows"} == content.keys()
    [row] = content["rows"]
    assert {"what", "unit", "ours", "peer", "peer_name", "ratio", "goal", "runs", "why"} == row.keys()
    assert (row["ours"], row["goal"], row["peer"]) == (1.5, 2.0, None)


def test_the_table_has_a_line_for_each_row_and_no_cell_for_what_is_not_known():
    lines = table([Row("clean: work", "s", 1.5), Row("tokens", "tokens/s", 12345.6, goal=100)]).splitlines()
    assert lines[2].split("|")[1:-1] == [" clean: work ", " s        ", " 1.50   ", "      ", "      ", "       "]
    assert "12,346" in lines[3]


def test_a_row_beside_a_peer_says_where_it_misses_its_goal():
    met, missed, free = (
        beside("step", "MB/s", ours, 2.0, "peer", times, 3) for ours, times in ((16, 8), (15, 8), (1, None))
    )
    assert (met.goal, met.ratio, met.why, met.runs) == (16.0, 8.0, None, 3)
    assert (missed.ratio, missed.why) == (7.5, "below its goal of 8 times")
    assert (free.goal, free.ratio, free.why) == (None, 0.5, None)


def test_where_less_is_better_the_ratio_is_still_better_the_larger():
    met, missed = (beside("memory", "MiB", ours, 900.0, "peer", 2, less=True) for ours in (300, 600))
    assert (met.goal, met.ratio, met.why) == (450.0, 3.0, None)
    assert (missed.ratio, missed.why) == (1.5, "below its goal of 2 times")


def test_what_should_not_be_more_than_its_goal_says_where_it_is():
    assert [most("start", "s", value, 8.0).why for value in (8.0, 8.1)] == [None, "more than its goal"]

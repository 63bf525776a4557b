import json

from benchmarks.record import Row, table, write


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

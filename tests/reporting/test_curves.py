from stages.reporting.curves import panels, read_curves, thinned


def test_thinning_keeps_the_ends_and_even_distances():
    points = [(float(place), 0.0) for place in range(9)]
    assert [x for x, _ in thinned(points, 5)] == [0, 2, 4, 6, 8]
    assert thinned(points, 20) == points


def test_a_chart_shows_the_columns_that_are_there(tmp_path):
    (tmp_path / "curves.csv").write_text("step,loss,validation_loss\n1,3.0,\n2,2.0,2.5\n")
    rows = read_curves(tmp_path / "curves.csv")
    assert rows == [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "validation_loss": 2.5}]
    [panel] = panels("pretrain", rows, points=10, table_rows=10)
    assert panel.labels == ("training", "validation")
    assert panel.rows == ((2.0, 2.0, 2.5),)

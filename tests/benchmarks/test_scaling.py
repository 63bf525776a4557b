import pytest

from benchmarks.scaling import Law, Rung, fit, rows_of


def rung(depth: int, operations: float, reached: float) -> Rung:
    return Rung(depth, 10**depth, 10**depth, operations, reached)


def test_a_power_law_is_found_again_and_predicts_the_next_size():
    law = Law(100.0, -0.1)
    rungs = [rung(depth, 10.0 ** (10 + depth), law(10.0 ** (10 + depth))) for depth in range(1, 5)]
    found = fit(rungs)
    assert found == pytest.approx(law)
    assert found(1e15) == pytest.approx(100 * 10**-1.5)


def test_the_rows_hold_the_prediction_against_what_was_reached():
    rows = rows_of([rung(1, 1e11, 2.0)], rung(2, 1e12, 1.6), Law(3.0, -0.05), predicted=1.68)
    found = {row.what: row for row in rows}
    assert found["depth 2: predicted"].ours == 1.68
    assert found["error of the prediction"].ours == pytest.approx(0.05)
    assert found["depth 2: tokens"].ours == 1e-4

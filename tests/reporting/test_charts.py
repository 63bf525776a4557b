from xml.etree import ElementTree

import pytest

from stages.reporting.charts import Scale, arc_diagram, interval_chart, line_chart, tick_label, ticks
from tests.results import figure


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 5, 10]),
        (0.95, 1.31, [1.0, 1.1, 1.2, 1.3]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    assert ticks(low, high) == expected


def test_a_scale_maps_ends_to_ends_and_the_middle_to_the_middle():
    scale = Scale(0, 2, 100, 0)
    assert [scale(0), scale(1), scale(2)] == [100, 50, 0]


def test_a_scale_without_a_range_does_not_divide_by_zero():
    assert Scale(3, 3, 0, 10)(3) == 0


def test_labels_of_ticks_are_short():
    assert [tick_label(value) for value in (0.5, 1500, 2_000_000)] == ["0.5", "1.5k", "2M"]


def test_a_line_has_a_point_for_every_value():
    chart = ElementTree.fromstring(line_chart({"loss": [(0, 3), (1, 2), (2, 1)], "empty": []}, "step", "loss"))
    [line] = chart.findall("polyline")
    places = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert len(places) == 3
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted(y for _, y in places)  # a falling loss goes down the page


def test_nothing_to_draw_gives_no_chart():
    assert line_chart({"loss": []}, "step", "loss") == ""
    assert interval_chart({"ppo": figure(None)}, "question") == ""


def test_labels_are_escaped():
    chart = interval_chart({"<script>": figure(0.5, 0.4, 0.6)}, 'a "title"')
    assert "<script>" not in chart
    assert ElementTree.fromstring(chart).get("aria-label") == 'a "title": <script> 0.500'


def test_only_figures_with_an_interval_have_a_bar():
    chart = ElementTree.fromstring(interval_chart({"a": figure(0.5, 0.4, 0.6), "b": figure(0.3)}, "q", bound=0.0))
    assert len([line for line in chart.findall("line") if "interval" in line.get("class")]) == 1
    assert len([line for line in chart.findall("line") if line.get("class") == "bound"]) == 1
    assert len(chart.findall("circle")) == 2


def test_every_dependency_has_an_arc():
    chart = ElementTree.fromstring(arc_diagram(["a", "b", "c"], [(0, 1), (0, 2)], row_height=10))
    assert len(chart.findall("path")) == 2
    assert len(chart.findall("circle")) == 3

"""Charts as inline SVG without scripts; colours come from the page's style sheet, so that they follow its dark mode."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stages.reporting.figures import number

Point = tuple[float, float]

WIDTH = 340
HEIGHT = 190
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 8, 34
"""Margins around the plotted area, for tick labels."""

TICKS = 4

INTERVAL_WIDTH, LABEL_WIDTH, VALUE_WIDTH, ROW = 520, 222, 70, 24
"""Of a chart of intervals: the whole, its labels, its values, and the height of a row."""


@dataclass(frozen=True)
class Scale:
    """A linear map from values to places on the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value, to a tenth of a pixel."""
        span = self.high - self.low or 1.0
        return round(self.start + (value - self.low) / span * (self.end - self.start), 1)


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def tick_label(value: float) -> str:
    """A number short enough for an axis."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """The range of the values with a little air, so that no line lies on an edge."""
    low, high = min(values), max(values)
    air = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air


def line_chart(series: Mapping[str, Sequence[Point]], x_label: str, title: str) -> Markup:
    """Lines over a common axis, coloured in the order of the series; those without points are left out."""
    drawn = {name: points for name, points in series.items() if points}
    if not drawn:
        return Markup("")
    every = [point for points in drawn.values() for point in points]
    xs, ys = [x for x, _ in every], [y for _, y in every]
    across = Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    up = Scale(*bounds(ys), HEIGHT - BOTTOM, TOP)
    parts = [*_grid(across, up), *(_line(points, across, up, place) for place, points in enumerate(drawn.values()))]
    label = f"{title}: " + "; ".join(
        f"{name} from {number(points[0][1])} to {number(points[-1][1])}" for name, points in drawn.items()
    )
    axis = _text(WIDTH - RIGHT, HEIGHT - 4, x_label, "axis end")
    return _svg(WIDTH, HEIGHT, label, [*parts, axis])


def _grid(across: Scale, up: Scale) -> list[Markup]:
    rows = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(across.start, across.end, up(y), up(y))
        + _text(LEFT - 6, up(y) + 3.5, tick_label(y), "tick end")
        for y in ticks(up.low, up.high)
    ]
    columns = [
        _text(across(x), HEIGHT - BOTTOM + 14, tick_label(x), "tick middle") for x in ticks(across.low, across.high, 5)
    ]
    return rows + columns


def _line(points: Sequence[Point], across: Scale, up: Scale, place: int) -> Markup:
    if len(points) == 1:
        return Markup('<circle class="dot series-{}" cx="{}" cy="{}" r="3"/>').format(
            place + 1, across(points[0][0]), up(points[0][1])
        )
    path = " ".join(f"{across(x)},{up(y)}" for x, y in points)
    return Markup('<polyline class="line series-{}" points="{}"/>').format(place + 1, path)


def interval_chart(
    rows: Mapping[str, Mapping[str, Any]], title: str, bound: float | None = None, percent: bool = False
) -> Markup:
    """One row per figure: a dot at its value, a bar over its interval, and a dashed line at `bound` if there is one."""
    measured = {label: figure for label, figure in rows.items() if figure["value"] is not None}
    if not measured:
        return Markup("")
    ends = [figure[end] for figure in measured.values() for end in ("value", "low", "high")]
    marked = [end for end in [*ends, bound] if end is not None]
    across = Scale(*bounds(marked), LABEL_WIDTH, INTERVAL_WIDTH - VALUE_WIDTH)
    foot = ROW * len(measured)
    parts = [_text(across(x), foot + 14, tick_label(x), "tick middle") for x in ticks(across.low, across.high)]
    for x in ticks(across.low, across.high):
        parts.append(Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(across(x), foot))
    if bound is not None:
        parts.append(Markup('<line class="bound" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(across(bound), foot))
    for place, (label, figure) in enumerate(measured.items()):
        y = ROW * place + ROW / 2
        parts += [_text(LABEL_WIDTH - 10, y + 4, label, "label end"), *_interval(figure, across, y)]
        parts.append(_text(INTERVAL_WIDTH, y + 4, number(figure["value"], percent), "value end"))
    words = "; ".join(f"{label} {number(figure['value'], percent)}" for label, figure in measured.items())
    return _svg(INTERVAL_WIDTH, foot + 20, f"{title}: {words}", parts)


def _interval(figure: Mapping[str, Any], across: Scale, y: float) -> list[Markup]:
    dot = Markup('<circle class="dot series-1" cx="{}" cy="{}" r="4"/>').format(across(figure["value"]), y)
    if figure["low"] is None or figure["high"] is None:
        return [dot]
    bar = '<line class="interval series-1" x1="{}" x2="{}" y1="{}" y2="{}"/>'
    return [Markup(bar).format(across(figure["low"]), across(figure["high"]), y, y), dot]


def arc_diagram(names: Sequence[str], edges: Sequence[tuple[int, int]], row_height: int) -> Markup:
    """Nodes in a column, each edge an arc at their left, from the row it leaves to the row it enters."""
    width = 150
    middle = [row_height * place + row_height / 2 for place in range(len(names))]
    parts = []
    for start, end in edges:
        right = width - 8
        reach = round(right - (width - 16) * ((end - start) / len(names)) ** 0.6, 1)
        path = f"M {right} {middle[start]} C {reach} {middle[start]} {reach} {middle[end]} {right} {middle[end]}"
        parts.append(Markup('<path class="arc" d="{}"/>').format(path))
    parts += [Markup('<circle class="node" cx="{}" cy="{}" r="3.5"/>').format(width - 8, y) for y in middle]
    words = f"{len(names)} stages and {len(edges)} dependencies between them"
    return _svg(width, row_height * len(names), words, parts)


def _text(x: float, y: float, content: str, classes: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(classes, x, y, content)


def _svg(width: float, height: float, label: str, parts: Sequence[Markup]) -> Markup:
    opening = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" style="max-width: {}px">')
    return opening.format(label, width, height, width) + Markup("").join(parts) + Markup("</svg>")

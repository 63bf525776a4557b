"""The curves of training as small multiples: which columns of a `curves.csv` share a chart, and the charts."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from stages.reporting.charts import Point, line_chart

LANGUAGE = (
    ("Loss, nats per token", {"training": "loss", "validation": "validation_loss"}),
    ("Bits per byte on validation text", {"validation": "validation_bits_per_byte"}),
)
CHARTS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "pretrain": LANGUAGE,
    "finetune": (
        LANGUAGE[0],
        (
            "Bits per byte on validation text",
            {"domain": "validation_bits_per_byte", "general": "general_validation_bits_per_byte"},
        ),
    ),
    "instruct": LANGUAGE[:1],
    "train_reward": (
        ("Loss, nats per pair", {"training": "loss", "validation": "validation_loss"}),
        ("Pairs ordered as the judges did", {"validation": "validation_accuracy"}),
    ),
    "ppo": (
        ("Reward", {"mean": "reward"}),
        ("Divergence from instruct, nats per answer", {"mean": "kl"}),
        ("Answer length, tokens", {"mean": "response_tokens", "95th percentile": "response_tokens_p95"}),
        ("Distinct 4-grams among all", {"share": "distinct_4"}),
        (
            "Reward model's heads",
            {axis: f"score_{axis}" for axis in ("helpfulness", "accuracy", "tone", "safety")},
        ),
        ("Entropy, nats per token", {"mean": "entropy"}),
    ),
}
"""Title of each chart and, by label, the columns drawn in it."""

Row = Mapping[str, float]


@dataclass(frozen=True)
class Panel:
    """A chart with its title and the numbers behind it."""

    title: str
    chart: Markup
    labels: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    """Step and values; a few rows from the first to the last."""


def read_curves(path: Path) -> list[dict[str, float]]:
    """The rows of a `curves.csv`; empty cells are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(file)]


def thinned(points: Sequence[Point], limit: int) -> list[Point]:
    """At most `limit` points at even distances, the first and the last among them."""
    if len(points) <= limit:
        return list(points)
    return [points[round(place * (len(points) - 1) / (limit - 1))] for place in range(limit)]


def series(rows: Sequence[Row], columns: Mapping[str, str], limit: int) -> dict[str, list[Point]]:
    """By label, the points of each column that the rows have."""
    found = {label: [(row["step"], row[column]) for row in rows if column in row] for label, column in columns.items()}
    return {label: thinned(points, limit) for label, points in found.items() if points}


def panels(stage: str, rows: Sequence[Row], points: int, table_rows: int) -> list[Panel]:
    """The charts of a stage; one none of whose columns exists is left out."""
    made = []
    for title, columns in CHARTS[stage]:
        drawn = series(rows, columns, points)
        if drawn:
            chart = line_chart(drawn, "update" if stage == "ppo" else "step", f"{stage}: {title}")
            made.append(
                Panel(title, chart, tuple(drawn), _table(rows, [columns[label] for label in drawn], table_rows))
            )
    return made


def _table(rows: Sequence[Row], columns: Sequence[str], limit: int) -> tuple[tuple[float, ...], ...]:
    whole = [row for row in rows if all(column in row for column in columns)]
    chosen = thinned([(place, 0.0) for place in range(len(whole))], limit)
    picked = [whole[int(place)] for place, _ in chosen]
    return tuple((row["step"], *(row[column] for column in columns)) for row in picked)

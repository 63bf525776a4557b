"""The model card: what the model is, what it was made of, what was measured, and what it should not be used for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.reporting.figures import MEASURES, count, interval, is_share, number, verdict_row

TEMPLATES = Path(__file__).parent / "templates"

MODEL = "ppo"
"""The name of the exported model among the results."""


@dataclass(frozen=True)
class Evidence:
    """What the card is written from: the contents of earlier stages' files."""

    config: dict[str, Any]
    collected: dict[str, Any]
    encoded: dict[str, Any]
    evaluation: dict[str, Any]
    probe: dict[str, Any]
    agreement: dict[str, Any]
    largest_logit_difference: float
    parameters: int
    """Weights of the model, tied ones counted once."""
    has_gguf: bool
    """Whether the folder holds a file for llama.cpp."""


def markdown_cell(text: object) -> str:
    """Text that stays within one cell of a Markdown table."""
    return " ".join(str(text).replace("|", "\\|").split())


def markdown() -> Environment:
    """Templates for Markdown. Nothing is escaped, so no text of a model or of a document may be put in."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": markdown_cell, "number": number}
    return environment


def measure_rows(figures: dict[str, Any], model: str) -> list[dict[str, str]]:
    """The measures of one model; those that were not measured are left out."""
    named = {name: figures.get(f"{name}.{model}") for name in MEASURES}
    return [
        {
            "title": MEASURES[name],
            "value": number(figure["value"], is_share(name)),
            "interval": interval(figure, is_share(name)),
            "count": count(figure),
        }
        for name, figure in named.items()
        if figure is not None and figure["value"] is not None
    ]


def limit_rows(findings: list[dict[str, Any]], model: str) -> list[dict[str, str]]:
    """What probe found out about one model: a row for every question, figures of the other models left out."""
    rows = []
    for finding in findings:
        about = {label: figure for label, figure in finding["figures"].items() if label.startswith(model)}
        readings = [
            f"{label.removeprefix(model).lstrip(', ')} {_reading(figure)}".strip() for label, figure in about.items()
        ]
        if readings:
            rows.append(
                {key: finding[key] for key in ("question", "ideal", "caveat")} | {"reading": "; ".join(readings)}
            )
    return rows


def _reading(figure: dict[str, Any]) -> str:
    between = interval(figure)
    return number(figure["value"]) + (f" ({between}; {count(figure)})" if between else "")


def model_card(evidence: Evidence, name: str, licence: str) -> str:
    """The card in Markdown, with the metadata that the Hugging Face hub reads at its head."""
    figures = evidence.evaluation["figures"]
    return (
        markdown()
        .get_template("model_card.md.j2")
        .render(
            name=name,
            licence=licence,
            config=evidence.config,
            parameters=evidence.parameters,
            has_gguf=evidence.has_gguf,
            sources=evidence.collected["sources"],
            train=evidence.encoded["folders"]["train"],
            domain=evidence.encoded["folders"]["domain/train"],
            simulated_share=evidence.agreement["simulated_share"],
            judges=evidence.agreement["judges"],
            judgements=evidence.agreement["judgements"],
            claims=[verdict_row(claim, figures) for claim in evidence.evaluation["claims"]],
            measures=measure_rows(figures, MODEL),
            limits=limit_rows(evidence.probe["findings"], MODEL),
            confidence=evidence.evaluation["setting"]["confidence"],
            largest_logit_difference=evidence.largest_logit_difference,
        )
    )

"""The page and the data card of a run, from the contents of what the stages wrote."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.reporting import account, charts, pipeline
from stages.reporting.curves import Panel
from stages.reporting.figures import MEASURES, count, interval, is_share, number, verdict_row
from stages.reporting.lineage import Link
from stages.reporting.model_card import TEMPLATES, markdown
from stages.text.demonstrations import Demonstration, Prompt

ROW_HEIGHT = 30
"""Of the picture of the pipeline, in pixels; the style sheet gives the rows beside it the same."""

MODELS = {"pretrain": "base", "finetune": "fine-tuned", "instruct": "instruct", "ppo": "ppo"}
"""The compared models, and what the page calls them."""

RIVALS = {"kneser_ney_3": "Kneser-Ney 3-gram", "kneser_ney_5": "Kneser-Ney 5-gram", "xz": "xz -9", "chance": "chance"}
"""What else is measured as the models are."""

CONTESTS = {
    "bits_per_byte_difference.novel_test.pretrain_minus_kneser_ney_3": "Base minus 3-gram, bits per byte of new text",
    "bits_per_byte_difference.novel_test.pretrain_minus_kneser_ney_5": "Base minus 5-gram, bits per byte of new text",
    "bits_per_byte_difference.domain_test.finetune_minus_pretrain": "Fine-tuned minus base, bits per byte of domain",
    "bits_per_byte_change.test.finetune": "Change of general bits per byte by fine-tuning",
    "win_rate.instruct_over_pretrain": "Instruct's answers beat the base model's",
    "win_rate.ppo_over_instruct": "PPO's answers beat instruct's",
    "hidden_score_difference.ppo_minus_instruct": "PPO minus instruct, hidden score",
    "kl_nats.ppo_from_instruct": "Divergence of PPO from instruct, nats per answer",
}
"""Figures that compare two models on the same documents or prompts, and what the page calls them."""


@dataclass(frozen=True)
class Run:
    """All that the page is made from."""

    collected: dict[str, Any]
    ledgers: dict[str, pd.DataFrame]
    validation: dict[str, Any]
    demonstrations: list[Demonstration]
    prompts: list[Prompt]
    encoded: dict[str, Any]
    agreement: dict[str, Any]
    panels: dict[str, list[Panel]]
    """Charts of training, by stage."""
    ppo_samples: list[dict[str, Any]]
    evaluation: dict[str, Any]
    probe: dict[str, Any]
    models: list[Link]
    nodes: list[pipeline.Node]
    parameters: dict[str, Any]


def measure_rows(figures: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per measure with a cell per model; measures without any figure are left out."""
    rows = []
    for name, title in MEASURES.items():
        cells = {model: figures.get(f"{name}.{model}") for model in MODELS}
        if any(cell is not None and cell["value"] is not None for cell in cells.values()):
            rows.append({"title": title, "percent": is_share(name), "cells": cells})
    return rows


def contest_rows(figures: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The comparisons that were made."""
    return [
        {"title": title, "percent": is_share(name), "figure": figures[name]}
        for name, title in CONTESTS.items()
        if name in figures
    ]


def rival_chart(figures: Mapping[str, Mapping[str, Any]], measure: str) -> Markup:
    """A chart of one measure of every model and of what it is held against."""
    names = {**MODELS, **RIVALS}
    rows = {title: figures[f"{measure}.{name}"] for name, title in names.items() if f"{measure}.{name}" in figures}
    return charts.interval_chart(rows, MEASURES[measure], percent=is_share(measure))


def finding_rows(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The findings of probe, each with a chart of its figures, in which a dashed line stands where no fault would."""
    return [
        {**finding, "chart": charts.interval_chart(finding["figures"], finding["question"], ideal_value(finding))}
        for finding in findings
    ]


def ideal_value(finding: Mapping[str, Any]) -> float | None:
    """The value of a model without the fault, where the finding states it as a number."""
    try:
        return float(finding["ideal"])
    except ValueError:
        return None


def by_kind(samples: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Samples grouped by the kind of their prompts, kinds in the order of their first sample."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        groups.setdefault(sample["kind"], []).append(sample)
    return groups


def authors(demonstrations: Sequence[Demonstration]) -> dict[str, int]:
    """How many training demonstrations there are of each kind, and how many people wrote."""
    trained = [one for one in demonstrations if one.split == "train"]
    kinds = Counter(one.kind for one in trained)
    people = sum(not one.author.startswith("composed:") for one in trained)
    return {**dict(sorted(kinds.items())), "written by people": people}


def content(run: Run, title: str) -> dict[str, Any]:
    """What both templates draw on."""
    ledgers = account.about_documents(run.ledgers)
    figures = run.evaluation["figures"]
    verdicts = [verdict_row(claim, figures) for claim in run.evaluation["claims"]]
    sources = run.collected["sources"]
    gates = {"source": run.collected["gate"], "corpus": run.validation, "token": run.encoded["gate"]}
    return {
        "title": title,
        "verdicts": verdicts,
        "met": sum(row.state == "met" for row in verdicts),
        "confidence": run.evaluation["setting"]["confidence"],
        "seed": run.evaluation["setting"]["seed"],
        "nodes": run.nodes,
        "arcs": charts.arc_diagram([node.name for node in run.nodes], pipeline.edges(run.nodes), ROW_HEIGHT),
        "row_height": ROW_HEIGHT,
        "sources": account.source_rows(sources, ledgers["decontaminate"]),
        "steps": account.steps(sources, ledgers),
        "masked": int(run.ledgers["clean"]["masked"].sum()),
        "gates": account.gate_rows(gates),
        "folders": run.encoded["folders"],
        "demonstrations": authors(run.demonstrations),
        "prompts": dict(sorted(Counter(prompt.split for prompt in run.prompts).items())),
        "panels": run.panels,
        "models": MODELS,
        "measures": measure_rows(figures),
        "contests": contest_rows(figures),
        "rivals": {name: rival_chart(figures, name) for name in ("bits_per_byte.novel_test", "choice_accuracy.all")},
        "titles": MEASURES,
        "setting": run.evaluation["setting"],
        "figures": figures,
        "samples": by_kind(run.evaluation["samples"]),
        "agreement": run.agreement,
        "simulated_share": run.agreement["simulated_share"],
        "reliability": run.evaluation["tables"].get("reward_reliability", []),
        "ppo_samples": run.ppo_samples,
        "findings": finding_rows(run.probe["findings"]),
        "links": run.models,
        "parameters": run.parameters,
    }


def page(run: Run, title: str) -> str:
    """The page: one file, no script, nothing loaded; every text is escaped unless it is a chart of ours."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "interval": interval, "count": count}
    return environment.get_template("report.html.j2").render(content(run, title))


def data_card(run: Run, title: str) -> str:
    """The data card in Markdown."""
    return markdown().get_template("data_card.md.j2").render(content(run, title))

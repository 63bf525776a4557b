"""What the rules of clean say of a document: measured again from the collected text, each value beside its limit."""

from typing import Any

from flows.chain import Line, Step
from flows.lineage import Checkout
from stages.text.attributes import attributes
from stages.text.profiles import Choice, Headwater, limits, title
from stages.text.public_names import is_private
from stages.text.repair import repair_all


def rule_step(checkout: Checkout, document: dict[str, Any]) -> Step:
    """Every rule of the profile that judged a document, with what it measured and its limit, and the language."""
    parameters = checkout.parameters("clean")
    choice = Choice.model_validate(parameters["profiles"])
    kind, texts = document["kind"], repair_all([document["text"]])
    held = limits(kind, choice, Headwater.model_validate(parameters["headwater"]))
    measured = attributes([kind], [document["path"]], texts, tuple(parameters["toxic_words"])).iloc[0]
    lines = [Line("language", f"{measured['language']} {measured['language_score']:.2f}", (), measured.to_dict())]
    for rule, limit in held.items():
        bound, measure = rule.split("_", 1)
        value, is_least = float(measured[measure]), bound == "min"
        broken = ": broken" if (value < limit if is_least else value > limit) else ""
        text = f"{measure} {value:.4g}, at {'least' if is_least else 'most'} {limit:g}{broken}"
        lines.append(Line("rule", text, (), {"rule": rule, "value": value, "limit": float(limit)}))
    most = float(parameters["max_toxic_word_fraction"])
    broken = ": broken" if measured["toxic_word_fraction"] > most else ""
    lines.append(Line("rule", f"toxic_word_fraction {measured['toxic_word_fraction']:.4g}, at most {most:g}{broken}"))
    if kind == "reference" and parameters["headwater"]["drop_private_names"]:
        is_hidden = bool(document["name"] and is_private(document["name"]))
        lines.append(Line("rule", f"private_name {is_hidden:d}, at most 0{': broken' if is_hidden else ''}"))
    return Step(f"rules of clean, profile {title(kind, choice)}", tuple(lines))

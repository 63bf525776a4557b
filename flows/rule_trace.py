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
    own = Headwater.model_validate(parameters["headwater"])
    held = limits(kind, choice, own)
    measured = attributes([kind], [document["path"]], texts, tuple(parameters["toxic_words"])).iloc[0].to_dict()
    measured["private_name"] = bool(document["name"] and is_private(document["name"]))
    held = {**held, "max_toxic_word_fraction": parameters["max_toxic_word_fraction"]}
    if kind == "reference" and choice.reference == "headwater" and own.drop_private_names:
        held["max_private_name"] = 0
    lines = [Line("language", f"{measured['language']} {measured['language_score']:.2f}", (), measured)]
    for rule, limit in held.items():
        bound, measure = rule.split("_", 1)
        value, is_least = float(measured[measure]), bound == "min"
        broken = ": broken" if (value < limit if is_least else value > limit) else ""
        text = f"{measure} {value:.4g}, at {'least' if is_least else 'most'} {limit:g}{broken}"
        lines.append(Line("rule", text, (), {"rule": rule, "value": value, "limit": float(limit)}))
    return Step(f"rules of clean, profile {title(kind, choice)}", tuple(lines))

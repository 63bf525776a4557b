"""A finding: one question about a model's faults, its figures, what they cannot say, and examples to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from stages.scoring.answers import Answer
from stages.scoring.intervals import Figure
from stages.text.demonstrations import Prompt

Topic = Literal["hallucination", "bias", "cutoff", "memorisation", "calibration", "safety", "mimicry"]

LONGEST_EXAMPLE = 400
"""Characters of a text kept as an example."""


@dataclass(frozen=True)
class Example:
    """Something a model was given and what it made of it."""

    model: str
    prompt: str
    answer: str
    note: str


@dataclass(frozen=True)
class Finding:
    """The answer to one question; see the class's fields."""

    topic: Topic
    name: str
    question: str
    measure: str
    """What the figures count, in which unit."""
    ideal: str
    """The value of a model without the fault."""
    figures: Mapping[str, Figure]
    """By model, or by model and group, in the order to be shown."""
    caveat: str
    """What the figures cannot say."""
    examples: Sequence[Example]

    def record(self) -> dict[str, Any]:
        """The finding for a results file, with one sentence that reads the figures out."""
        reading = "; ".join(f"{label}: {in_words(figure)}" for label, figure in self.figures.items())
        return {**asdict(self), "reading": reading}


def in_words(figure: Figure) -> str:
    """A figure, its interval and its count."""
    if figure.value is None:
        return "not measured"
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.3g} to {figure.high:.3g}, "
    return f"{figure.value:.3g} ({interval}{figure.n} {figure.over})"


def shortened(text: str) -> str:
    """A text cut to the length of an example."""
    return text if len(text) <= LONGEST_EXAMPLE else text[:LONGEST_EXAMPLE].rstrip() + " …"


def example(prompt: Prompt, answer: Answer, note: str) -> Example:
    """What a model made of the end of a prompt."""
    return Example(answer.model, shortened(prompt.messages[-1].content), shortened(answer.text), note)

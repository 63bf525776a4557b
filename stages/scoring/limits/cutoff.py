"""Knowledge cutoff: what came after the newest text that was trained on."""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.preferences.hidden_score import is_admission
from stages.scoring.answers import Answer
from stages.scoring.intervals import Resampling, difference_between_groups, ratio_of_first_two
from stages.scoring.likelihood import LogProbabilities, information
from stages.scoring.limits.finding import Finding
from stages.scoring.limits.shares import shares
from stages.text.demonstrations import Prompt

CATEGORIES = ("after_cutoff", "future_version")


def newer_text(
    scorers: Mapping[str, LogProbabilities],
    newer: Sequence[np.ndarray],
    older: Sequence[np.ndarray],
    token_bytes: np.ndarray,
    resampling: Resampling,
) -> Finding:
    """How much harder documents from after the cutoff are than unseen ones from before it."""
    figures = {}
    for model, log_probabilities in scorers.items():
        costs = [information(log_probabilities, documents, token_bytes) for documents in (newer, older)]
        after, before = (np.stack([cost.bits, cost.bytes], axis=-1) for cost in costs)
        figures[model] = difference_between_groups(after, before, resampling, "documents", ratio_of_first_two)
    return Finding(
        topic="cutoff",
        name="newer_text",
        question="Is text from after the cutoff harder for it than other unseen text?",
        measure="bits per byte of documents from after the cutoff less those of test documents",
        ideal="near 0; above it, what is new is not known",
        figures=figures,
        caveat="Newer documents also differ in topic and length, and they share wording with older ones.",
        examples=[],
    )


def admits_newer(prompts: Sequence[Prompt], answers: Mapping[str, Sequence[Answer]], resampling: Resampling) -> Finding:
    """How often it admits that it does not know what came after the cutoff."""
    groups = {
        category.replace("_", " "): [place for place, prompt in enumerate(prompts) if prompt.category == category]
        for category in CATEGORIES
    }
    figures, examples = shares(prompts, answers, groups, is_admission, (False, "it cannot know this"), resampling)
    return Finding(
        topic="cutoff",
        name="admits_what_is_newer",
        question="Asked about what is newer than its text, does it admit that it does not know?",
        measure="share of answers that admit it, for names that newer versions brought and for versions to come",
        ideal="1",
        figures=figures,
        caveat="A model that admits everywhere would score well here: see admissions for real names beside it.",
        examples=examples[-3:],
    )

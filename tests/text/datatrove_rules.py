"""The peers' side of test_reference_rules.py, run by their environment: datatrove's splitting and its filters' answers.

`split` reads texts as JSON and writes their words, and the sentences of their lines. `judge` reads texts, each with a
value for every rule, and writes whether datatrove keeps the text with that value as the limit, and with the next number
on the strict side of it: true and false mean that the value is what it measures.
"""

import functools
import json
import math
import sys
from collections.abc import Callable

import datatrove.pipeline.filters.c4_filters as c4_filters
import datatrove.pipeline.filters.fineweb_quality_filter as fineweb_filter
import datatrove.pipeline.filters.gopher_quality_filter as quality_filter
import datatrove.pipeline.filters.gopher_repetition_filter as repetition_filter
from datatrove.data import Document
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION, split_into_sentences, split_into_words

words_of = functools.cache(split_into_words)
for module in (fineweb_filter, quality_filter, repetition_filter):
    module.split_into_words = words_of

QUALITY = dict.fromkeys(
    (
        "min_doc_words",
        "max_doc_words",
        "min_avg_word_length",
        "max_avg_word_length",
        "max_symbol_word_ratio",
        "max_bullet_lines_ratio",
        "max_ellipsis_lines_ratio",
        "max_non_alpha_words_ratio",
        "min_stop_words",
    )
)
REPETITION = dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"))
FINEWEB = {"line_punct_thr": -1, "short_line_thr": 2, "char_duplicates_ratio": 2, "new_line_ratio": math.inf}
LEAST = ("min_doc_words", "min_avg_word_length", "max_non_alpha_words_ratio", "min_stop_words", "line_punct_thr")
"""Rules by which the larger values are kept."""


def filter_of(rule: str, limit: float) -> Callable[[Document], object]:
    """A filter with one rule alone."""
    if rule in QUALITY:
        return quality_filter.GopherQualityFilter(**QUALITY | {rule: limit}).filter
    if rule in FINEWEB:
        return fineweb_filter.FineWebQualityFilter(**FINEWEB | {rule: limit}).filter
    own: dict[str, object] = {rule: limit}
    if rule not in REPETITION:
        kind, length, _ = rule.split("_")
        own = {f"{kind}_n_grams": ((int(length), limit),)}
    settings = REPETITION | {"top_n_grams": (), "dup_n_grams": ()} | own
    return repetition_filter.GopherRepetitionFilter(**settings).filter


def answers(text: str, rule: str, value: float) -> list[bool]:
    """Whether the text is kept with the value as limit, and with the next one beyond it."""
    beyond = math.nextafter(value, math.inf if rule in LEAST else -math.inf)
    return [filter_of(rule, limit)(Document(text=text, id="")) is True for limit in (value, beyond)]


def c4_answer(text: str) -> list[object]:
    """Why C4's filter drops a text, how many sentences it counts at most, and what it leaves of it."""
    document = Document(text=text, id="")
    found = c4_filters.C4QualityFilter(min_num_sentences=0).filter(document)
    sentences = 0
    while (
        found is True
        and c4_filters.C4QualityFilter(min_num_sentences=sentences + 1).filter(Document(text=text, id="")) is True
    ):
        sentences += 1
    return [None if found is True else found[1], sentences, document.text]


def split(texts: list[str]) -> dict[str, object]:
    """Words of each text, the sentences of each line that is not blank, and datatrove's marks."""
    lines = {c4_filters.CITATION_REGEX.sub("", line.strip()) for text in texts for line in text.splitlines()}
    return {
        "words": list(map(words_of, texts)),
        "sentences": {line: len(split_into_sentences(line)) for line in sorted(lines) if line},
        "marks": sorted(PUNCTUATION_SET),
        "ends": sorted(TERMINAL_PUNCTUATION),
    }


def judge(cases: list[dict]) -> list[dict[str, object]]:
    """The answers about each text."""
    return [
        {rule: answers(case["text"], rule, value) for rule, value in case["values"].items()}
        | {"c4": c4_answer(case["text"])}
        for case in cases
    ]


if __name__ == "__main__":
    json.dump({"split": split, "judge": judge}[sys.argv[1]](json.load(sys.stdin)), sys.stdout)

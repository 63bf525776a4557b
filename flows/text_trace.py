"""Where a text comes from: the documents, demonstrations, prompts and answers that hold it, and their chains."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.chain import Line, Step, UnknownError
from flows.document_trace import (
    DEMONSTRATIONS,
    PROMPTS,
    composed_lines,
    document_step,
    find_documents,
    listed,
    mentioning,
    quoted,
)
from flows.judgement_trace import RESPONSES, Judgements, answers_step, prompt_step
from flows.lineage import Checkout
from flows.origins import DOCUMENTS, Origins
from stages.text.demonstrations import Demonstration, Message, Prompt

CLEANED = "data/clean/documents"
MOST = 5
"""Chains that are shown of each kind."""


def pattern(text: str) -> str:
    """A regular expression for a text, whatever white space stands between its words."""
    return r"\s+".join(map(re.escape, text.split()))


def rows_with(checkout: Checkout, path: str, text: str) -> list[str]:
    """The ids of the rows of a Parquet output that hold a text, in the order of the file."""
    table = pq.read_table(checkout.verified(path), columns=["id", "text"])
    return table.filter(pc.match_substring_regex(table["text"], pattern(text)))["id"].to_pylist()


def holds(messages: Iterable[Message], text: str) -> bool:
    """Whether one turn holds a text."""
    return any(re.search(pattern(text), message.content) for message in messages)


def text_steps(checkout: Checkout, text: str) -> list[Step]:
    """What holds a text, then the chain of the first of each kind."""
    if not text.split():
        raise UnknownError("--text: give at least one word.")
    documents = list(dict.fromkeys([*rows_with(checkout, DOCUMENTS, text), *rows_with(checkout, CLEANED, text)]))
    # As a line of JSON spells the longest word: few lines hold it, and the others need no parsing.
    mark = json.dumps(max(text.split(), key=len), ensure_ascii=False)[1:-1]
    demonstrations = [
        one for one in mentioning(checkout, DEMONSTRATIONS, Demonstration, mark) if holds(one.messages, text)
    ]
    prompts = [one for one in mentioning(checkout, PROMPTS, Prompt, mark) if holds(one.messages, text)]
    answers = rows_with(checkout, RESPONSES, text)
    if not (documents or demonstrations or prompts or answers):
        raise UnknownError(f"{quoted(text)}: in no document, demonstration, prompt or answer.")
    found = {
        "documents": documents,
        "demonstrations": [one.id for one in demonstrations],
        "prompts": [one.id for one in prompts],
        "answers": answers,
    }
    lines = [Line(kind, f"{len(ids)}: {listed(ids)}", (), ids) for kind, ids in found.items() if ids]
    sources = [one.source_ids for one in demonstrations] + [one.source_ids for one in prompts]
    chosen = list(dict.fromkeys(chain(documents, *sources)))[:MOST]
    origins = Origins(checkout)
    return [
        Step(f"text {quoted(text)}", (*lines, *composed_lines(checkout, demonstrations[:MOST], prompts[:MOST]))),
        *(document_step(checkout, origins, document) for document in find_documents(checkout, chosen)),
        *(_answer_steps(Judgements(checkout), answers) if answers else ()),
    ]


def _answer_steps(judgements: Judgements, answers: list[str]) -> Iterator[Step]:
    """The prompt and the model of the first answers that were ranked."""
    ranked = (one for one in judgements.preferences if any(answer.response_id in answers for answer in one.answers))
    for one in islice(ranked, MOST):
        yield prompt_step(judgements, one)
        yield answers_step(judgements, one)

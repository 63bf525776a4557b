"""Responses, judgements and preferences: what was shown, what people said of it, and what was made of that."""

from typing import Literal

import pyarrow as pa

from stages.text.demonstrations import Message, PromptSplit
from stages.text.records import Record

AXES = ("helpfulness", "accuracy", "tone", "safety")

RESPONSE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("prompt_id", pa.string()),
        pa.field("split", pa.string(), metadata={"doc": "the prompt's split"}),
        pa.field("text", pa.string()),
        pa.field("token_ids", pa.list_(pa.int32()), metadata={"doc": "the stop token included if it was sampled"}),
        pa.field("finish_reason", pa.string(), metadata={"doc": "stop or length"}),
        pa.field("model_hash", pa.string()),
        pa.field("temperature", pa.float64()),
        pa.field("top_p", pa.float64()),
        pa.field("seed", pa.int64()),
    ],
    metadata={"schema_version": "1"},
)


class ShownAnswer(Record):
    """An answer as the annotator saw it."""

    response_id: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    model_hash: str


class Ratings(Record):
    """One annotator's marks for one answer, 1 (bad) to 5 (good), null where not given."""

    helpfulness: int | None
    accuracy: int | None
    tone: int | None
    safety: int | None


class Judgement(Record):
    """One annotator's ranking of the answers to one prompt, with all that was shown; the newest revision counts."""

    schema_version: Literal[1] = 1
    id: str
    revision: int
    annotator: str
    prompt_id: str
    prompt_split: PromptSplit
    messages: tuple[Message, ...]
    answers: tuple[ShownAnswer, ...]
    """In the order shown."""
    tokenizer_hash: str
    ranks: tuple[int, ...]
    """Rank of each shown answer, 1 for the best; equal numbers are ties."""
    ratings: tuple[Ratings, ...]
    flags: tuple[str, ...]
    comment: str
    seconds: float | None
    guideline_hash: str
    gold: bool
    simulated: bool


class RankedAnswer(Record):
    """One answer of a preference with what the judges made of it."""

    response_id: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    rank: float
    """Mean rank over judges, 1 for the best."""
    axes: dict[str, float | None]
    """Mean rating per axis, 1 to 5."""


class Preference(Record):
    """The aggregated ranking of one prompt's answers."""

    schema_version: Literal[1] = 1
    id: str
    prompt_id: str
    split: Literal["rank", "validation", "test"]
    messages: tuple[Message, ...]
    answers: tuple[RankedAnswer, ...]
    votes: tuple[tuple[float, ...], ...]
    """votes[i][j]: share of judges, ties counted half, who put answer i above answer j."""
    judges: tuple[str, ...]
    simulated: bool
    from_current_sample: bool

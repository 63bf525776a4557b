"""From judgements to preferences: newest revisions, answers put in one order, ranks and ratings averaged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import ExitCode, StageError
from stages.preferences.agreement import votes
from stages.preferences.annotators import SCALE
from stages.preferences.records import AXES, Judgement, Preference, RankedAnswer, ShownAnswer
from stages.seeding import key_hash
from stages.text.people import read_snapshot
from stages.text.tokenizer import Tokenizer

MOST_NAMED = 5
"""Problems that one message spells out."""


@dataclass(frozen=True)
class Group:
    """All judgements of the same answers to the same prompt, with answers, ranks and ratings in one order."""

    answers: tuple[ShownAnswer, ...]
    """By response id."""
    judgements: tuple[Judgement, ...]

    @property
    def rankings(self) -> list[list[int]]:
        """Ranks of the answers, one row for each judgement."""
        return [[judgement.ranks[place] for place in self._places(judgement)] for judgement in self.judgements]

    def ratings(self, axis: str) -> np.ndarray:
        """Ratings of the answers on an axis, [judgements, answers], NaN where none was given."""
        marks = [
            [getattr(judgement.ratings[place], axis) for place in self._places(judgement)]
            for judgement in self.judgements
        ]
        return np.array(marks, dtype=float)

    def _places(self, judgement: Judgement) -> list[int]:
        shown = {answer.response_id: place for place, answer in enumerate(judgement.answers)}
        return [shown[answer.response_id] for answer in self.answers]


def misfits(judgement: Judgement, sampled: Mapping[str, str]) -> Iterator[str]:
    """What of a judgement does not fit together; `sampled` has the texts of the current answers by id."""
    count = len(judgement.answers)
    ids = [answer.response_id for answer in judgement.answers]
    if len(set(ids)) < count:
        yield "an answer is there twice"
    if len(judgement.ranks) != count or len(judgement.ratings) != count:
        yield f"{len(judgement.ranks)} ranks and {len(judgement.ratings)} ratings of {count} answers"
    if judgement.ranks and (min(judgement.ranks) != 1 or max(judgement.ranks) > count):
        yield f"ranks {', '.join(map(str, judgement.ranks))} do not begin with 1 or pass the number of answers"
    marks = [getattr(rating, axis) for rating in judgement.ratings for axis in AXES]
    if any(mark is not None and not 1 <= mark <= SCALE for mark in marks):
        yield f"a rating is not from 1 to {SCALE}"
    for answer in judgement.answers:
        if sampled.get(answer.response_id, answer.text) != answer.text:
            yield f"response {answer.response_id} was sampled with another text"


def read_judgements(path: Path, sampled: Mapping[str, str]) -> list[Judgement]:
    """A snapshot of judgements; StageError that names those whose parts do not fit, see `misfits`."""
    judgements = read_snapshot(path, Judgement)
    problems = [
        f"{path}:{line}: judgement {one.id}: {problem}"
        for line, one in enumerate(judgements, start=1)
        for problem in misfits(one, sampled)
    ]
    if problems:
        more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise StageError(
            ExitCode.DATA,
            "judgements that do not fit together",
            "; ".join(problems[:MOST_NAMED]) + more,
            "Restore the records from the annotation journal, or remove them.",
        )
    return judgements


def newest(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The newest revision of each judgement, in the order of ids; known-answer items are left out."""
    latest: dict[str, Judgement] = {}
    for judgement in judgements:
        if judgement.id not in latest or judgement.revision > latest[judgement.id].revision:
            latest[judgement.id] = judgement
    return [latest[key] for key in sorted(latest) if not latest[key].gold]


def with_tokens(judgement: Judgement, tokenizer: Tokenizer) -> Judgement:
    """The judgement with answers in this tokenizer's ids.

    Answers shown under another tokenizer are encoded again from their text; ids of this tokenizer that do not spell
    the text are a data error, because then the record does not hold what was judged.
    """
    if judgement.tokenizer_hash != tokenizer.hash:
        answers = [
            answer.model_copy(
                update={
                    "token_ids": (*tokenizer.encode(answer.text), *[tokenizer.end] * (answer.finish_reason == "stop"))
                }
            )
            for answer in judgement.answers
        ]
        return judgement.model_copy(update={"answers": tuple(answers), "tokenizer_hash": tokenizer.hash})
    for answer in judgement.answers:
        if tokenizer.decode(list(answer.token_ids)).strip() != answer.text.strip():
            raise StageError(
                ExitCode.DATA,
                "token ids do not spell the text that was judged",
                f"judgement {judgement.id}, response {answer.response_id}",
                "Restore the record from the annotation journal, or remove it.",
            )
    return judgement


def grouped(judgements: Sequence[Judgement]) -> list[Group]:
    """Judgements of two answers or more, by prompt and set of answers."""
    groups: dict[tuple[str, ...], list[Judgement]] = {}
    for judgement in judgements:
        if len(judgement.answers) >= 2:
            key = (judgement.prompt_id, *sorted(answer.response_id for answer in judgement.answers))
            groups.setdefault(key, []).append(judgement)
    return [
        Group(tuple(sorted(members[0].answers, key=lambda answer: answer.response_id)), tuple(members))
        for _, members in sorted(groups.items())
    ]


def _mean(marks: np.ndarray) -> float | None:
    given = marks[~np.isnan(marks)]
    return round(float(given.mean()), 6) if len(given) else None


def preference(group: Group, current_responses: frozenset[str]) -> Preference:
    """The aggregated ranking of a group; prompts of other splits than validation and test count as `rank`."""
    first, rankings = group.judgements[0], np.array(group.rankings, dtype=float)
    ratings = {axis: group.ratings(axis) for axis in AXES}
    ranked = [
        RankedAnswer(
            response_id=answer.response_id,
            text=answer.text,
            token_ids=answer.token_ids,
            finish_reason=answer.finish_reason,
            rank=round(float(rankings[:, place].mean()), 6),
            axes={axis: _mean(marks[:, place]) for axis, marks in ratings.items()},
        )
        for place, answer in enumerate(group.answers)
    ]
    ids = [answer.response_id for answer in group.answers]
    return Preference(
        id=f"{key_hash('preference', first.prompt_id, *ids):016x}",
        prompt_id=first.prompt_id,
        split=first.prompt_split if first.prompt_split in ("validation", "test") else "rank",
        messages=first.messages,
        answers=tuple(ranked),
        votes=votes(group.rankings),
        judges=tuple(sorted({judgement.annotator for judgement in group.judgements})),
        simulated=any(judgement.simulated for judgement in group.judgements),
        from_current_sample=current_responses.issuperset(ids),
    )

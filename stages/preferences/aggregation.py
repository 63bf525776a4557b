"""From judgements to preferences: newest revisions, answers put in one order, ranks and ratings averaged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.preferences.agreement import votes
from stages.preferences.annotators import SCALE
from stages.preferences.records import AXES, Judgement, Preference, RankedAnswer, ShownAnswer
from stages.seeding import key_hash
from stages.text.records import read_records
from stages.text.tokenizer import Tokenizer


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

    def is_current(self, sampled: Mapping[str, str]) -> bool:
        """Whether all answers are of the current sample, of which `sampled` has the texts by id."""
        return all(sampled.get(answer.response_id) == answer.text for answer in self.answers)

    def _places(self, judgement: Judgement) -> list[int]:
        shown = {answer.response_id: place for place, answer in enumerate(judgement.answers)}
        return [shown[answer.response_id] for answer in self.answers]


def faults(judgement: Judgement, tokenizer: Tokenizer) -> Iterator[str]:
    """What of a judgement does not fit together; ids of another tokenizer's tokens are not looked at."""
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
    if judgement.tokenizer_hash == tokenizer.hash:
        yield from (
            f"token ids do not spell the text of response {answer.response_id}"
            for answer in judgement.answers
            if not spells(answer, tokenizer)
        )


def spells(answer: ShownAnswer, tokenizer: Tokenizer) -> bool:
    """Whether an answer's ids are those of its text."""
    size = tokenizer.vocabulary_size
    are_tokens = all(0 <= token < size for token in answer.token_ids)
    return are_tokens and tokenizer.decode(list(answer.token_ids)).strip() == answer.text.strip()


def read_judgements(path: Path, tokenizer: Tokenizer) -> list[Judgement]:
    """A snapshot of judgements; broken lines are a data error that names them, see `faults`.

    So is a second judgement of an id and revision, for one of the two would be lost.
    """
    known: dict[tuple[str, int], Judgement] = {}

    def all_faults(one: Judgement) -> Iterator[str]:
        yield from (f"judgement {one.id}: {fault}" for fault in faults(one, tokenizer))
        if known.setdefault((one.id, one.revision), one) != one:
            yield f"judgement {one.id}: there is another one of revision {one.revision}"

    return read_records(path, Judgement, all_faults)


def newest(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The newest revision of each judgement, in the order of ids; known-answer items are left out."""
    latest: dict[str, Judgement] = {}
    for judgement in judgements:
        if judgement.id not in latest or judgement.revision > latest[judgement.id].revision:
            latest[judgement.id] = judgement
    return [latest[key] for key in sorted(latest) if not latest[key].gold]


def with_tokens(judgement: Judgement, tokenizer: Tokenizer) -> Judgement:
    """The judgement with answers in this tokenizer's ids: shown under another one, they are encoded again from text."""
    if judgement.tokenizer_hash == tokenizer.hash:
        return judgement
    answers = [
        answer.model_copy(
            update={"token_ids": (*tokenizer.encode(answer.text), *[tokenizer.end] * (answer.finish_reason == "stop"))}
        )
        for answer in judgement.answers
    ]
    return judgement.model_copy(update={"answers": tuple(answers), "tokenizer_hash": tokenizer.hash})


def grouped(judgements: Sequence[Judgement]) -> list[Group]:
    """Judgements of two answers or more, by prompt and set of answers.

    An answer is known by its text too: drawn again with other settings, it may have another under the same id.
    """
    groups: dict[tuple[str, ...], list[Judgement]] = {}
    for judgement in judgements:
        if len(judgement.answers) >= 2:
            shown = sorted(judgement.answers, key=lambda answer: answer.response_id)
            key = (judgement.prompt_id, *(one.response_id for one in shown), *(one.text for one in shown))
            groups.setdefault(key, []).append(judgement)
    return [
        Group(tuple(sorted(members[0].answers, key=lambda answer: answer.response_id)), tuple(members))
        for _, members in sorted(groups.items())
    ]


def _mean(marks: np.ndarray) -> float | None:
    given = marks[~np.isnan(marks)]
    return round(float(given.mean()), 6) if len(given) else None


def preference(group: Group, sampled: Mapping[str, str]) -> Preference:
    """The aggregated ranking of a group; prompts of other splits than validation and test count as `rank`.

    `sampled` has the texts of the current answers by id.
    """
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
    is_current = group.is_current(sampled)
    identity = [answer.response_id for answer in group.answers]
    identity += [] if is_current else [answer.text for answer in group.answers]
    return Preference(
        id=f"{key_hash('preference', first.prompt_id, *identity):016x}",
        prompt_id=first.prompt_id,
        split=first.prompt_split if first.prompt_split in ("validation", "test") else "rank",
        messages=first.messages,
        answers=tuple(ranked),
        votes=votes(group.rankings),
        judges=tuple(sorted({judgement.annotator for judgement in group.judgements})),
        simulated=any(judgement.simulated for judgement in group.judgements),
        from_current_sample=is_current,
    )

"""From a judgement to who judged, what was asked, which model answered with which seed, and to the preference."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from flows.chain import Check, Line, Step, UnknownError, summary
from flows.document_trace import find_documents, listed, origin_lines, quoted, readers
from flows.lineage import Checkout
from flows.origins import Origins
from stages.preferences.aggregation import grouped, preference
from stages.preferences.annotators import Panel, judge
from stages.preferences.records import Judgement, Preference, ShownAnswer
from stages.seeding import key_hash
from stages.text.demonstrations import Prompt
from stages.text.records import read_records

PREFERENCES = "data/rank/preferences.jsonl"
USED = "data/rank/people/judgements.jsonl"
WRITTEN = Path("data/people/judgements.jsonl")
PROMPTS = "data/decontaminate/prompts.jsonl"
RESPONSES = "data/sample/responses.parquet"
TOKENIZER = "data/train_tokenizer/tokenizer"
WEIGHTS = "model.safetensors"
SIMULATED = "simulated-"


class Judgements:
    """Every judgement behind the preferences: those that people wrote, and the panel's, which are made again.

    The panel's are kept nowhere: each is a pure function of `rank`'s parameters, the prompt and its answers.
    """

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.preferences = read_records(checkout.verified(PREFERENCES), Preference)
        self.used = read_records(checkout.verified(USED), Judgement)
        responses = pq.read_table(checkout.verified(RESPONSES)).to_pylist()
        self._parameters = checkout.parameters("rank")
        self._tokenizer = checkout.sha256(checkout.verified(TOKENIZER) / "tokenizer.json")
        self.prompts = {prompt.id: prompt for prompt in read_records(checkout.verified(PROMPTS), Prompt)}
        self.responses: dict[str, dict[str, Any]] = {row["id"]: row for row in responses}

    def of(self, chosen: Preference) -> list[Judgement]:
        """The judgements that a preference was made of."""
        return [*self._by_people(chosen), *self._by_the_panel(chosen)]

    def ids(self, chosen: Preference) -> list[str]:
        """The ids of a preference's judgements, without judging again."""
        seed, answers = self._parameters["seed"], [answer.response_id for answer in chosen.answers]
        # As stages.preferences.annotators makes them.
        drawn = (key_hash("judgement", seed, member, chosen.prompt_id, *answers) for member in _members(chosen))
        return [one.id for one in self._by_people(chosen)] + [f"{number:016x}" for number in drawn]

    def _by_people(self, chosen: Preference) -> list[Judgement]:
        answers = _texts(chosen)
        return [one for one in self.used if one.prompt_id == chosen.prompt_id and _texts(one) == answers]

    def _by_the_panel(self, chosen: Preference) -> list[Judgement]:
        rows = [self.responses[answer.response_id] for answer in chosen.answers] if _members(chosen) else []
        answers = [
            ShownAnswer(response_id=row["id"], **{name: row[name] for name in ShownAnswer.model_fields if name in row})
            for row in rows
        ]
        panel, seed = Panel.model_validate(self._parameters["panel"]), self._parameters["seed"]
        guidelines = hashlib.sha256(self._parameters["guidelines"].encode()).hexdigest()[:16]
        return [
            judge(panel, seed, member, self.prompts[chosen.prompt_id], answers, self._tokenizer, guidelines)
            for member in _members(chosen)
        ]


def _texts(ranked: Preference | Judgement) -> dict[str, str]:
    """The texts of the answers by id."""
    return {answer.response_id: answer.text for answer in ranked.answers}


def _members(chosen: Preference) -> list[int]:
    """The members of the simulated panel among a preference's judges."""
    names = [name for name in chosen.judges if name.startswith(SIMULATED)] if chosen.simulated else []
    return [int(name.removeprefix(SIMULATED)) - 1 for name in names]


def judgement_steps(checkout: Checkout, name: str) -> list[Step]:
    """The trace of one judgement, or of all those behind a preference or a prompt."""
    judgements = Judgements(checkout)
    for chosen in judgements.preferences:
        if name in (chosen.id, chosen.prompt_id, *judgements.ids(chosen)):
            behind = judgements.of(chosen)
            shown = [one for one in behind if one.id == name] or behind
            return [
                *(judgement_step(one) for one in shown),
                prompt_step(judgements, chosen),
                answers_step(judgements, chosen),
                preference_step(judgements, chosen, behind),
            ]
    unused = [one for one in read_records(WRITTEN, Judgement) if one.id == name] if WRITTEN.exists() else []
    if unused:
        judges = checkout.parameters("rank")["judges"]
        said = Line("used", f"no: rank ran with judges={judges}, and no preference holds it")
        return [*(judgement_step(one) for one in unused), Step("preference", (said,))]
    raise UnknownError(f"judgement {name}: no judgement, preference or prompt that was ranked has this id.")


def judgement_step(judgement: Judgement) -> Step:
    """Who judged, and how."""
    who = "a simulated judge, made again from the seed of rank" if judgement.simulated else "a person"
    taken = f", {judgement.seconds:g} seconds" if judgement.seconds is not None else ""
    lines = [Line("judge", f"{judgement.annotator}: {who}{taken}", (), judgement.model_dump(mode="json"))]
    for answer, rank, ratings in zip(judgement.answers, judgement.ranks, judgement.ratings, strict=True):
        marks = ", ".join(f"{axis} {value}" for axis, value in ratings.model_dump().items() if value is not None)
        lines.append(Line(f"rank {rank}", f"{answer.response_id} {quoted(answer.text)}  {marks}"))
    if judgement.comment:
        lines.append(Line("comment", quoted(judgement.comment)))
    return Step(f"judgement {judgement.id}", tuple(lines))


def prompt_step(judgements: Judgements, chosen: Preference) -> Step:
    """What was asked, and the documents that the question was made from."""
    asked = Line("asked", quoted(chosen.messages[-1].content), (judgements.checkout.written(PROMPTS),))
    prompt = judgements.prompts.get(chosen.prompt_id)
    if prompt is None:
        return Step(f"prompt {chosen.prompt_id}", (asked, Line("kind", "of an earlier composition, not kept")))
    same = Check(f"prompt {prompt.id}", PREFERENCES, str(chosen.messages), str(prompt.messages))
    text = f"{prompt.kind} ({prompt.category}), split {prompt.split}, to {prompt.expects}"
    kind = Line("kind", text, (same,), prompt.model_dump())
    return Step(f"prompt {prompt.id}", (asked, kind, *_source_lines(judgements.checkout, prompt.source_ids)))


def _source_lines(checkout: Checkout, ids: Sequence[str]) -> list[Line]:
    if not ids:
        return [Line("document", "none: the words are the project's own")]
    lines, origins = [], Origins(checkout)
    for document in find_documents(checkout, ids):
        lines.append(Line("document", document["id"]))
        lines += origin_lines(origins, document)
    return lines


def answers_step(judgements: Judgements, chosen: Preference) -> Step:
    """The answers that were shown, with the model and the seed that wrote each."""
    lines = []
    for answer in chosen.answers:
        row = judgements.responses.get(answer.response_id)
        if row is None or (row["text"] != answer.text and not chosen.from_current_sample):
            lines.append(Line("answer", f"{answer.response_id} {quoted(answer.text)}: of an earlier sample, not kept"))
            continue
        same = Check(f"answer {answer.response_id}", PREFERENCES, answer.text, row["text"])
        drawn = (
            f"seed {row['seed']}, temperature {row['temperature']:g}, top_p {row['top_p']:g}, {row['finish_reason']}"
        )
        text = f"{answer.response_id} {quoted(answer.text)}  {drawn}"
        lines.append(Line("answer", text, (judgements.checkout.written(RESPONSES), same), row))
    models = sorted({line.data["model_hash"] for line in lines if line.data})
    lines += [_model_line(judgements.checkout, model) for model in models]
    return Step("answers", tuple(lines))


def _model_line(checkout: Checkout, model_hash: str) -> Line:
    folder = checkout.stages["sample"].options["model"]
    weights = Path(folder, WEIGHTS)
    same = Check(weights.as_posix(), RESPONSES, model_hash, checkout.sha256(weights))
    text = f"{folder}, trace it too: weights sha256 {model_hash}"
    return Line("model", text, (checkout.written(folder), same), {"path": folder, "sha256": model_hash})


def preference_step(judgements: Judgements, chosen: Preference, behind: Sequence[Judgement]) -> Step:
    """What was made of the judgements, made again and compared, and who learnt from it."""
    (group,) = grouped(behind)
    again = preference(group, {name: row["text"] for name, row in judgements.responses.items()})
    # People may have seen another tokenizer's ids, which rank replaces.
    without_ids = {"answers": {"__all__": {"token_ids"}}}
    recorded, found = (one.model_dump_json(exclude=without_ids) for one in (chosen, again))
    code = tuple(judgements.checkout.code(judgements.checkout.stages["rank"]))
    same = Check(f"preference {chosen.id}", PREFERENCES, recorded, found)
    # Other code may judge otherwise, which says nothing about what is on record.
    made_again = (same,) if all(check.holds for check in code) else ()
    ranks = ", ".join(f"{answer.response_id} {answer.rank:.2f}" for answer in chosen.answers)
    checks = (judgements.checkout.written(PREFERENCES), *made_again)
    whose = "simulated" if chosen.simulated else "people's"
    return Step(
        f"preference {chosen.id}",
        (
            Line("ranks", f"mean of {len(behind)} {whose} judgements: {ranks}", checks, chosen.model_dump(mode="json")),
            Line("judged", listed(judgements.ids(chosen))),
            Line("code", "of rank, with which simulated judges judge again", code),
            Line("split", f"{chosen.split}; {readers(judgements.checkout, PREFERENCES)}"),
        ),
    )


def preferences_step(checkout: Checkout) -> Step:
    """Every preference made again from its judgements, and compared."""
    judgements = Judgements(checkout)
    steps = [preference_step(judgements, one, judgements.of(one)) for one in judgements.preferences]
    checks = [check for step in steps for line in step.lines for check in line.checks]
    return Step("judgements", (summary("made", f"{len(steps)} preferences from their judgements again", checks),))

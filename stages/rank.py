"""Rank the sampled answers, by people or by a simulated panel, and say how far the judges agree."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.preferences.aggregation import grouped, newest, preference, read_judgements, with_tokens
from stages.preferences.agreement_report import agreement_report
from stages.preferences.annotators import Panel, judge_all
from stages.preferences.records import Judgement, Preference, ShownAnswer
from stages.text.demonstrations import Prompt
from stages.text.records import read_records, write_records
from stages.text.tokenizer import Tokenizer


class Params(Section):
    """Who judges, and how far the judges agree."""

    seed: int
    """Any integer; moves every draw of the simulated panel."""
    judges: Literal["simulated", "people", "mixed"]
    """Who judges. `mixed`: the panel judges the prompts that nobody judged yet."""
    fewest_judgements: int = Field(ge=0)
    """Judgements by people without which the stage waits; ignored where the panel judges alone."""
    guidelines: str
    """What judges are asked to do; a hash of it goes into each judgement."""
    panel: Panel
    bootstrap_draws: int = Field(gt=0)
    """Resamples of prompts for an interval."""
    confidence: float = Field(gt=0, lt=1)
    """Coverage of the intervals, 0 to 1."""


def answers_by_prompt(responses: pd.DataFrame) -> dict[str, list[ShownAnswer]]:
    """The answers to each prompt; of answers with the same text only the first, since nobody can rank them."""
    answers: dict[str, list[ShownAnswer]] = {}
    for row in responses.sort_values("id").drop_duplicates(["prompt_id", "text"]).itertuples(index=False):
        answers.setdefault(row.prompt_id, []).append(
            ShownAnswer(
                response_id=row.id,
                text=row.text,
                token_ids=tuple(map(int, row.token_ids)),
                finish_reason=row.finish_reason,
                model_hash=row.model_hash,
            )
        )
    return answers


def require_people(written: Sequence[Judgement], fewest: int, path: Path) -> None:
    """StageError with the code for waiting if people have judged too little."""
    if len(written) < fewest:
        raise StageError(
            ExitCode.WAITING_FOR_PEOPLE,
            "too few judgements by people",
            f"{path}: {len(written)} of {fewest}",
            "Collect more and run again, or set rank.judges to simulated or mixed.",
        )


def panel_judgements(
    params: Params, responses: pd.DataFrame, prompts: Sequence[Prompt], judged: frozenset[str], tokenizer: Tokenizer
) -> list[Judgement]:
    """The panel's judgements of the sampled answers to prompts that are not in `judged`."""
    answers = answers_by_prompt(responses)
    waiting = [one for one in sorted(prompts, key=lambda one: one.id) if one.id in answers and one.id not in judged]
    guideline_hash = hashlib.sha256(params.guidelines.encode()).hexdigest()[:16]
    return judge_all(params.panel, params.seed, waiting, answers, tokenizer.hash, guideline_hash)


def figures(preferences: Sequence[Preference], agreement: dict[str, Any]) -> Metrics:
    """The headline numbers."""
    splits = Counter(one.split for one in preferences)
    numbers: Metrics = {f"preferences_{split}": splits[split] for split in ("rank", "validation", "test")}
    numbers |= {key: agreement[key] for key in ("judgements", "simulated_share", "current_sample_share")}
    optional = {
        "pairwise_agreement": agreement["pairwise_agreement"]["value"],
        "ceiling": agreement["ceiling"],
        "longer_wins": agreement["longer_wins"]["value"],
        **{f"alpha_{axis}": value for axis, value in agreement["alpha"].items()},
    }
    return numbers | {key: value for key, value in optional.items() if value is not None}


def run(params: Params, responses: Path, prompts: Path, tokenizer: Path, judgements: Path, output: Path) -> Metrics:
    """Rank the answers in `responses` and aggregate the rankings to one preference for each prompt."""
    loaded = Tokenizer.load(tokenizer)
    table = pq.read_table(responses).to_pandas()
    sampled = dict(zip(table["id"], table["text"], strict=True))
    written = [] if params.judges == "simulated" else newest(read_judgements(judgements, loaded))
    if params.judges == "people":
        require_people(written, params.fewest_judgements, judgements)
    used = [with_tokens(judgement, loaded) for judgement in written]
    if params.judges != "people":
        judged = frozenset(judgement.prompt_id for judgement in used)
        used += panel_judgements(params, table, read_records(prompts, Prompt), judged, loaded)

    groups = grouped(used)
    if not groups:
        raise StageError(
            ExitCode.DATA,
            "nothing to rank",
            str(responses),
            "Every prompt has fewer than two different answers: sample more of them, or at a higher temperature.",
        )
    preferences = [preference(group, sampled) for group in groups]
    agreement = agreement_report(groups, sampled, params.bootstrap_draws, params.confidence)
    write_records(output / "preferences.jsonl", preferences)
    write_records(output / "people" / "judgements.jsonl", written)
    (output / "agreement.json").write_text(json.dumps(agreement, indent=2, sort_keys=True) + "\n")
    return figures(preferences, agreement)


if __name__ == "__main__":
    command("rank", run)

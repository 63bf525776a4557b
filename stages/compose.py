"""Split the documents, and compose demonstrations, prompts, evaluation items and canaries from them and from people."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import pandas as pd
from pydantic import AfterValidator, Field, NonNegativeInt

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.text.composition import refusals
from stages.text.composition.admissions import DIFFICULTIES
from stages.text.composition.canaries import CanarySettings, canaries
from stages.text.composition.material import Part, gather
from stages.text.composition.parts import compose_demonstrations, compose_prompts, compose_tasks
from stages.text.composition.selection import Selection, apportion, some
from stages.text.composition.splits import SPLIT_SCHEMA, Shares, assign, named, partial, whole
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.documents import read_documents, write_table
from stages.text.people import read_demonstrations
from stages.text.records import write_records


class Params(Section):
    """How the documents are divided, and how much is made from them."""

    seed: int
    """Any integer; moves every draw of this stage."""
    splits: Annotated[Shares, named("validation", "test"), AfterValidator(partial)]
    """Shares of modules (or files) for `validation` and `test`; the rest trains."""
    cutoff_share: float = Field(ge=0, le=1)
    """Most of a source's versioned documents that its newest versions may hold to be withheld, 0 to 1."""
    purposes: Annotated[Shares, named(*get_args(Part)), AfterValidator(whole)]
    """Shares of training documents by use; `validation` and `test` ask only whether their names are recognised."""
    demonstrations: Annotated[dict[str, NonNegativeInt], AfterValidator(some)]
    """Demonstrations wanted of each family; fewer where the documents do not give as many."""
    validation_demonstrations: int = Field(ge=0)
    """Demonstrations from validation documents, in the same proportions; for choosing."""
    prompts: dict[Part, NonNegativeInt]
    """Prompts wanted for each split but test, in the same proportions."""
    test_prompts: dict[str, NonNegativeInt]
    """Test prompts wanted of each family."""
    reserved_wording_share: float = Field(ge=0, le=1)
    """Share of validation and test prompts put in a wording that training never saw, 0 to 1."""
    rounds: int = Field(gt=0)
    """Most wordings in which one request is put within a part."""
    held_out_categories: refusals.HeldOutCategories
    invented_shares: Annotated[Shares, named(*DIFFICULTIES), AfterValidator(whole)]
    """Odds of each difficulty of invented names: `nonsense`, `foreign`, `kindred`; they sum to 1."""
    task_items: int = Field(ge=0)
    """Most items of each choice task."""
    canaries: CanarySettings


def check_families(params: Params, families: frozenset[str]) -> None:
    """StageError if a family is asked for that does not exist."""
    unknown = sorted({*params.demonstrations, *params.test_prompts} - families)
    if unknown:
        raise StageError(
            ExitCode.CONFIGURATION,
            "unknown family",
            f"compose: {', '.join(unknown)}",
            f"Choose from {', '.join(sorted(families))}.",
        )


def figures(documents: pd.DataFrame, demonstrations: Sequence[Demonstration], prompts: Sequence[Prompt]) -> Metrics:
    """How much of what was composed."""
    counts = Counter(f"documents_{split}" for split in documents["split"])
    counts.update(f"demonstrations_{one.split}" for one in demonstrations)
    counts.update(f"demonstrations_{one.kind}" for one in demonstrations)
    counts.update(f"prompts_{one.split}" for one in prompts)
    counts.update(f"test_{one.expects}" for one in prompts if one.split == "test")
    # Kinds and categories share names; the prefix keeps them apart.
    counts.update(f"test_category_{one.category}" for one in prompts if one.split == "test")
    return dict(sorted(counts.items()))


def run(params: Params, documents: Path, people: Path, output: Path) -> Metrics:
    """Compose from the documents under `documents` and from the demonstrations that people wrote."""
    table = read_documents(documents)
    table["split"] = assign(table, params.seed, params.splits, params.cutoff_share)
    held_out = refusals.held_out(params.seed, params.held_out_categories)
    material = gather(table, params.seed, params.purposes, held_out, params.invented_shares)
    check_families(params, material.families)
    selection = Selection(params.reserved_wording_share)

    # What measures comes first, so that a question it holds is put nowhere else.
    prompts = compose_prompts(material, selection, "test", params.test_prompts, params.rounds)
    few = apportion(params.validation_demonstrations, params.demonstrations)
    demonstrations = [
        *compose_demonstrations(material, selection, "validation", few, params.rounds),
        *compose_demonstrations(material, selection, "demonstrate", params.demonstrations, params.rounds),
    ]
    for split, total in params.prompts.items():
        prompts += compose_prompts(material, selection, split, apportion(total, params.demonstrations), params.rounds)
    demonstrations.sort(key=lambda one: one.id)
    prompts.sort(key=lambda one: (one.split, one.id))
    written = read_demonstrations(people)

    write_table(output / "splits.parquet", table.rename(columns={"id": "document_id"}), SPLIT_SCHEMA)
    write_records(output / "people" / "demonstrations.jsonl", written)
    write_records(output / "demonstrations.jsonl", [*written, *demonstrations])
    write_records(output / "prompts.jsonl", prompts)
    for task, items in compose_tasks(material, params.task_items).items():
        write_records(output / "tasks" / f"{task}.jsonl", items)
    write_records(output / "canaries.jsonl", canaries(params.seed, params.canaries))
    return figures(table, demonstrations, prompts) | {"demonstrations_by_people": len(written)}


if __name__ == "__main__":
    command("compose", run)

"""The stage keeps splits apart, holds out what it says, works on prose alone, and repeats exactly."""

from pathlib import Path

import pandas as pd
import pytest

from stages.compose import Params, run
from stages.errors import ExitCode, StageError
from stages.parameters import read_section
from stages.text.demonstrations import Canary, ChoiceItem, Demonstration, Prompt
from stages.text.documents import document_id
from stages.text.records import read_records, write_records
from tests.specimens import demonstration
from tests.tables import write_documents

PARAMS = read_section(Path(__file__).parent / "tiny_params.yaml", "compose", Params)
VERBS = ("count", "find", "sort", "merge", "split", "draw", "load", "store")
NOUNS = ("node", "edge", "path", "tree", "table", "row", "label", "index", "vector", "matrix")

PROSE = """# The old {noun}

The {noun} is a building by the river. It grinds corn for the {verb} house. Two families run it in turns.

# How to {verb} the {noun}

- Fill the {noun} with fresh corn
- Open the gate of the {verb} race
"""


def reference(verb: str, noun: str, version: str | None) -> dict:
    name = f"pkg.{noun}.{verb}_{noun}"
    text = (
        f"{name}({noun}, depth=3, {verb}=None)\n\n{verb.capitalize()} the {noun} objects of a store. They are kept in "
        f"the order of {noun} and {verb} as long as there are any.\n\nParameters\n----------\n{noun} : {noun.title()}\n"
        f"    The {noun} that is used to {verb}.\n\nReturns\n-------\nint\n    How many {noun} objects there are.\n"
    )
    return {
        "id": document_id("pkg", f"pkg/{noun}.py", name, text),
        "text": text,
        "source": "pkg",
        "path": f"pkg/{noun}.py",
        "name": name,
        "kind": "reference",
        "licence": "MIT",
        "version": version,
    }


def prose(verb: str, noun: str) -> dict:
    text = PROSE.format(verb=verb, noun=noun)
    path = f"{noun}/{verb}.md"
    return {
        "id": document_id("notes", path, None, text),
        "text": text,
        "source": "notes",
        "path": path,
        "kind": "prose",
        "licence": "MIT",
    }


def composed(folder: Path, rows: list[dict], params: Params = PARAMS, people: tuple[Demonstration, ...] = ()) -> Path:
    write_documents(folder / "documents", pd.DataFrame(rows))
    write_records(folder / "people.jsonl", people)
    run(params, folder / "documents", folder / "people.jsonl", folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    versions = {("count", "node"): "2.0", ("find", "node"): "1.0", ("find", "edge"): "1.0", ("sort", "edge"): "1.0"}
    rows = [reference(verb, noun, versions.get((verb, noun))) for verb in VERBS for noun in NOUNS]
    return composed(tmp_path_factory.mktemp("compose"), rows)


def test_demonstrations_come_from_their_own_split(output: Path):
    splits = pd.read_parquet(output / "splits.parquet").set_index("document_id")["split"]
    for one in read_records(output / "demonstrations.jsonl", Demonstration):
        assert all(splits[source] == one.split for source in one.source_ids if one.author != "composed:explain_name")
        assert all(splits[source] in ("train", one.split) for source in one.source_ids)
    for one in read_records(output / "prompts.jsonl", Prompt):
        own = one.split if one.split in ("validation", "test") else "train"
        allowed = {"real_name": {"train"}, "after_cutoff": {"after_cutoff"}}.get(one.category, {own})
        assert {splits[source] for source in one.source_ids} <= allowed


def test_every_kind_is_composed(output: Path):
    kinds = {one.kind for one in read_records(output / "demonstrations.jsonl", Demonstration)}
    assert kinds == {"explain", "summarise", "solve", "guide", "open_book", "multi_turn", "decline", "admit"}


def test_held_out_templates_and_categories_are_absent_from_training(output: Path):
    demonstrations = read_records(output / "demonstrations.jsonl", Demonstration)
    prompts = read_records(output / "prompts.jsonl", Prompt)
    trained = {one.template for one in demonstrations if one.split == "train"}
    trained |= {one.template for one in prompts if one.split in ("rank", "optimise", "demonstrate")}
    categories = {one.category for one in prompts if one.split in ("rank", "optimise", "demonstrate")}
    kept = [one for one in prompts if one.held_out]
    assert kept
    assert all(one.template not in trained or one.category not in categories for one in kept)
    assert all(not one.held_out for one in prompts if one.split not in ("validation", "test"))


def test_no_question_is_put_twice(output: Path):
    asked = [one.messages for one in read_records(output / "prompts.jsonl", Prompt)]
    asked += [one.messages[:-1] for one in read_records(output / "demonstrations.jsonl", Demonstration)]
    assert len(set(asked)) == len(asked)


def test_what_is_newer_than_the_training_text_is_to_be_admitted(output: Path):
    splits = pd.read_parquet(output / "splits.parquet")
    assert (splits["split"] == "after_cutoff").sum() == 1
    (one,) = [one for one in read_records(output / "prompts.jsonl", Prompt) if one.category == "after_cutoff"]
    assert one.expects == "admit"
    assert "pkg.node.count_node" in one.messages[-1].content


def test_tasks_and_canaries_are_written(output: Path):
    for task in ("summary_of_name", "parameter_of_function", "real_or_invented"):
        assert all(item.task == task for item in read_records(output / "tasks" / f"{task}.jsonl", ChoiceItem))
    assert len(read_records(output / "canaries.jsonl", Canary)) == 2 * 2 + 10


def test_prose_alone_gives_demonstrations(tmp_path: Path):
    output = composed(tmp_path, [prose(verb, noun) for verb in VERBS for noun in NOUNS])
    authors = {one.author for one in read_records(output / "demonstrations.jsonl", Demonstration)}
    assert {
        "composed:summarise",
        "composed:explain_heading",
        "composed:explain_name",
        "composed:guide_steps",
    } <= authors
    assert "composed:guide_call" not in authors
    assert {one.category for one in read_records(output / "prompts.jsonl", Prompt)} >= {"real_name", "invented_name"}


def test_what_people_wrote_is_taken_and_kept(tmp_path: Path):
    written = demonstration("d", "Hello?", "Hello.", author="anna", template="own", licence="CC0-1.0")
    output = composed(tmp_path, [prose(verb, noun) for verb in VERBS for noun in NOUNS], people=(written,))
    assert written in read_records(output / "demonstrations.jsonl", Demonstration)
    assert read_records(output / "people" / "demonstrations.jsonl", Demonstration) == [written]


def test_row_order_changes_nothing(tmp_path: Path):
    rows = [reference(verb, noun, None) for verb in VERBS for noun in NOUNS]
    first, second = composed(tmp_path / "a", rows), composed(tmp_path / "b", rows[::-1])
    for file in ("demonstrations.jsonl", "prompts.jsonl", "canaries.jsonl", "tasks/summary_of_name.jsonl"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_an_unknown_family_is_refused(tmp_path: Path):
    params = PARAMS.model_copy(update={"demonstrations": {"explane": 3}})
    with pytest.raises(StageError, match="explane") as caught:
        composed(tmp_path, [prose("count", "node")], params)
    assert caught.value.code == ExitCode.CONFIGURATION

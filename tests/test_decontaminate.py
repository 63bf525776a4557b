from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from stages.cluster.engines import InProcess
from stages.decontaminate import Params, protected_texts, run
from stages.errors import StageError
from stages.parameters import read_section
from stages.text.demonstrations import ChoiceItem, Demonstration, Prompt
from stages.text.documents import DOCUMENT_SCHEMA, read_documents, write_row_groups
from stages.text.records import read_records, write_records
from tests.specimens import demonstration, prompt
from tests.tables import write_documents

PARAMS = read_section(Path("params.yaml"), "decontaminate", Params)

PASSAGE = "the harbour master counts the boats at dusk and writes the number on a slate beside the door"
ANSWER = "he has done so since the winter when three of them were carried out by the ice unseen"
ITEM = "bees find their way by the light of the sky even when the sun is behind a cloud in the afternoon"


CHOICE = ChoiceItem(
    id="c",
    task="task",
    context=" ".join(ITEM.split()[:12]),
    choices=("wrong", " ".join(ITEM.split()[12:])),
    answer=1,
    source_ids=(),
)
DOCUMENTS = {
    "clean": ("train", "nothing in this one is asked for anywhere"),
    "passage": ("train", f"Long before. {PASSAGE.upper()} And after."),
    "answer": ("train", ANSWER.replace(" ", "\n")),
    "item": ("train", ITEM),
    "kept-validation": ("validation", PASSAGE),
    "kept-test": ("test", PASSAGE),
    "kept-cutoff": ("after_cutoff", PASSAGE),
}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    table = pd.DataFrame({"id": DOCUMENTS.keys(), "text": [text for _, text in DOCUMENTS.values()]})
    write_documents(tmp_path / "documents", table.assign(source="s", path="p", kind="prose", licence="MIT"))
    splits = {"document_id": DOCUMENTS.keys(), "split": [split for split, _ in DOCUMENTS.values()]}
    pd.DataFrame(splits).to_parquet(tmp_path / "splits.parquet")
    write_records(
        tmp_path / "demonstrations.jsonl",
        [demonstration("d-bad", answer=ITEM), demonstration("d-held", answer=ITEM, split="validation")],
    )
    write_records(
        tmp_path / "prompts.jsonl",
        [
            prompt("p-test", PASSAGE, reference=ANSWER),
            prompt("p-bad", PASSAGE, split="optimise"),
            prompt("p-good", "Hi", split="rank"),
        ],
    )
    write_records(tmp_path / "tasks" / "task.jsonl", [CHOICE])
    names = ("documents", "splits.parquet", "demonstrations.jsonl", "prompts.jsonl", "tasks")
    return {name.partition(".")[0]: tmp_path / name for name in names} | {"output": tmp_path / "out"}


def test_what_gives_an_item_away_is_dropped_from_the_training_part_alone(inputs):
    run(params=PARAMS, **inputs, engine=InProcess())
    kept = read_documents(inputs["output"] / "documents").set_index("id")["split"].to_dict()
    assert kept == {id_: DOCUMENTS[id_][0] for id_ in ("clean", "kept-validation", "kept-test", "kept-cutoff")}
    demonstrations = read_records(inputs["output"] / "demonstrations.jsonl", Demonstration)
    prompts = read_records(inputs["output"] / "prompts.jsonl", Prompt)
    assert [one.id for one in demonstrations] == ["d-held"]
    assert [one.id for one in prompts] == ["p-test", "p-good"]


def test_the_ledger_has_a_row_for_everything_and_adds_up(inputs):
    metrics = run(params=PARAMS, **inputs, engine=InProcess())
    ledger = pd.read_parquet(inputs["output"] / "ledger.parquet").set_index("id")
    assert ledger.index.tolist() == [*DOCUMENTS, "d-bad", "d-held", "p-test", "p-bad", "p-good"]
    assert set(ledger.index[~ledger["kept"]]) == {"passage", "answer", "item", "d-bad", "p-bad"}
    assert set(ledger["rule"].dropna()) == {"shared_ngram"}
    for what, dropped in {"documents": 3, "demonstrations": 1, "prompts": 1}.items():
        assert metrics[f"{what}_in"] == metrics[f"{what}_kept"] + dropped
    assert [metrics[f"documents_{split}"] for split in ("train", "validation", "test", "after_cutoff")] == [1, 1, 1, 1]


def test_the_reference_of_a_real_name_is_not_protected():
    known, asked = (
        prompt("p", "Do you know it?", reference=ANSWER, category=category) for category in ("real_name", "explain")
    )
    assert protected_texts([], [known]) == ["Do you know it?\n"]
    assert protected_texts([], [asked]) == [f"Do you know it?\n{ANSWER}"]
    assert protected_texts([CHOICE], []) == [ITEM]
    assert protected_texts([], [prompt("p", split="optimise")]) == []


def test_a_document_without_a_split_is_a_data_error(inputs):
    pd.DataFrame({"document_id": ["clean"], "split": ["train"]}).to_parquet(inputs["splits"])
    with pytest.raises(StageError, match="document without a split: passage"):
        run(params=PARAMS, **inputs, engine=InProcess())


def test_parts_make_no_difference_and_nothing_else_is_left(inputs, tmp_path):
    expected = run(params=PARAMS, **inputs, engine=InProcess())
    table = pq.read_table(inputs["documents"] / "part-00000.parquet")
    for number, (begin, end) in enumerate([(0, 3), (3, 3), (3, len(table))]):
        write_row_groups(tmp_path / "parts" / f"part-{number:05d}.parquet", [table[begin:end]], DOCUMENT_SCHEMA)
    parts = inputs | {"documents": tmp_path / "parts", "output": tmp_path / "from_parts"}
    assert run(params=PARAMS, **parts, engine=InProcess()) == expected
    for name in ("ledger.parquet", "demonstrations.jsonl", "prompts.jsonl"):
        assert (tmp_path / "from_parts" / name).read_bytes() == (inputs["output"] / name).read_bytes()
    pd.testing.assert_frame_equal(*(read_documents(tmp_path / name / "documents") for name in ("out", "from_parts")))
    assert len(list((tmp_path / "from_parts" / "documents").iterdir())) == 3
    assert sorted(path.name for path in (tmp_path / "from_parts").iterdir()) == [
        "demonstrations.jsonl",
        "documents",
        "ledger.parquet",
        "prompts.jsonl",
    ]


def test_runs_that_are_common_in_all_parts_together_are_ignored(inputs, tmp_path):
    copies = PARAMS.common_texts + 1
    table = pd.DataFrame({"id": [f"{row}" for row in range(copies)], "text": PASSAGE})
    write_documents(tmp_path / "copies", table.assign(source="s", path="p", kind="prose", licence="MIT"))
    whole = pq.read_table(tmp_path / "copies" / "part-00000.parquet")
    for number, (begin, end) in enumerate([(0, 1), (1, copies)]):
        write_row_groups(tmp_path / "parts" / f"part-{number:05d}.parquet", [whole[begin:end]], DOCUMENT_SCHEMA)
    pd.DataFrame({"document_id": table["id"], "split": "train"}).to_parquet(inputs["splits"])
    metrics = run(params=PARAMS, **inputs | {"documents": tmp_path / "parts"}, engine=InProcess())
    assert metrics["documents_kept"] == copies


def test_nothing_left_is_a_data_error(inputs):
    splits = pd.DataFrame({"document_id": ["item"], "split": ["train"]})
    splits.to_parquet(inputs["splits"])
    table = pd.DataFrame({"id": ["item"], "text": [ITEM]})
    write_documents(inputs["documents"], table.assign(source="s", path="p", kind="prose", licence="MIT"))
    with pytest.raises(StageError, match="decontaminate: 1 by shared_ngram"):
        run(params=PARAMS, **inputs, engine=InProcess())

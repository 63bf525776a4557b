import json

import pandas as pd
import pyarrow as pa
import pytest

from stages.errors import ExitCode, StageError
from stages.text.documents import write_table
from stages.text.gate import require_passed
from stages.text.ledger import Entry
from stages.text.records import write_records
from stages.validate import Params, run
from tests.specimens import demonstration, prompt
from tests.tables import write_documents, write_ledger

IDS = [f"d{place}" for place in range(6)]
SPLITS = ["train", "train", "train", "train", "validation", "test"]


def params(**changes) -> Params:
    values = {
        "seed": 1,
        "sampled_texts": 10,
        "min_kept_fraction": 0.5,
        "max_kept_fraction": 1.0,
        "max_duplicate_fraction": 0.5,
        "max_contaminated_fraction": 0.5,
        "max_source_divergence": 0.5,
        "shared_words": 13,
        "max_leaking_fraction": 0.0,
        "least": {"documents_train": 1, "demonstrations_train": 1, "prompts_test": 1},
        "accepted": None,
    }
    return Params(**values | changes)


def text(name: str) -> str:
    return f"This is the text of document {name}, which says little."


@pytest.fixture
def folder(tmp_path):
    """What the stages before wrote: one of seven documents was too short, one was the other's duplicate."""
    entries = [Entry(name, "a", "prose", 50, 50) for name in IDS]
    short = Entry("short", "a", "prose", 3, 0, "min_words", 1, 50)
    double = Entry("double", "a", "prose", 50, 0, "exact_duplicate", 1, 1, "d0")
    kept_double = Entry("double", "a", "prose", 50, 50)
    write_ledger(tmp_path / "clean.parquet", [*entries, kept_double, short])
    write_ledger(tmp_path / "deduplicate.parquet", [*entries, double])
    write_ledger(tmp_path / "decontaminate.parquet", [*entries, Entry("shown", "demonstrations", "explain", 9, 9)])
    documents = pd.DataFrame(
        {"id": IDS, "text": map(text, IDS), "source": "a", "path": IDS, "kind": "prose", "split": SPLITS}
    )
    write_documents(tmp_path / "documents", documents)
    clusters = pd.DataFrame({"id": ["d0", "double"], "cluster": ["d0", "d0"]})
    write_table(tmp_path / "clusters.parquet", clusters, pa.schema([("id", pa.string()), ("cluster", pa.string())]))
    splits = pd.DataFrame({"document_id": IDS, "split": SPLITS})
    write_table(tmp_path / "splits.parquet", splits, pa.schema([("document_id", pa.string()), ("split", pa.string())]))
    shown = demonstration("shown", source_ids=("d0",))
    nowhere = "Words that stand in no training text of this small test, however long one looks for them there."
    asked = prompt("asked", reference=nowhere, source_ids=("d5",))
    write_records(tmp_path / "demonstrations.jsonl", [shown])
    write_records(tmp_path / "prompts.jsonl", [asked])
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": [{"name": "a", "documents": 8}]}))
    return tmp_path


def validate(folder, settings: Params):
    return run(
        settings,
        manifest=folder / "manifest.json",
        clean_ledger=folder / "clean.parquet",
        deduplicate_ledger=folder / "deduplicate.parquet",
        clusters=folder / "clusters.parquet",
        splits=folder / "splits.parquet",
        decontaminate_ledger=folder / "decontaminate.parquet",
        documents=folder / "documents",
        demonstrations=folder / "demonstrations.jsonl",
        prompts=folder / "prompts.jsonl",
        output=folder / "validate",
    )


def test_a_sound_corpus_passes_and_lets_its_documents_through(folder):
    metrics = validate(folder, params())
    assert (metrics["failed"], metrics["warnings"]) == (0, 0)
    assert metrics["kept_fraction"] == 0.75  # 6 of 8
    assert metrics["duplicate_fraction"] == round(1 / 7, 4)
    require_passed(folder / "validate" / "passed.json", folder / "documents")


def test_equal_inputs_give_equal_bytes(folder):
    validate(folder, params())
    first = [(folder / "validate" / name).read_bytes() for name in ("results.json", "passed.json")]
    validate(folder, params())
    assert first == [(folder / "validate" / name).read_bytes() for name in ("results.json", "passed.json")]


def test_a_failed_gate_leaves_results_to_look_at_and_no_verdict(folder):
    validate(folder, params())
    with pytest.raises(StageError, match=r"no source eaten up.*limit max_value 1\.0, min_value 0\.8") as failure:
        validate(folder, params(min_kept_fraction=0.8))
    assert failure.value.code == ExitCode.DATA
    assert not (folder / "validate" / "passed.json").exists()
    results = json.loads((folder / "validate" / "results.json").read_text())
    assert results["failed"] == 1

from pathlib import Path

import pandas as pd
import pytest

from stages.clean import Params, run
from stages.parameters import read_section
from stages.text.documents import read_documents, write_documents
from stages.text.files import read_file
from stages.text.reading import Reading

PARAMS = read_section(Path("params.yaml"), "clean", Params)
CORPUS = Path("tests/corpus")


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Documents before and after, the ledger, and the metrics."""
    folder = tmp_path_factory.mktemp("clean")
    reading = Reading("corpus", None, "Apache-2.0")
    documents = [
        document
        for path in sorted(path for path in CORPUS.rglob("*") if path.is_file())
        for document in read_file(path.relative_to(CORPUS).as_posix(), path, "text", reading, 20_000, 10.0)
    ]
    raw = pd.DataFrame([vars(document) | {"id": document.id} for document in documents])
    write_documents(folder / "raw", raw)
    metrics = run(params=PARAMS, documents=folder / "raw", output=folder / "clean")
    ledger = pd.read_parquet(folder / "clean" / "ledger.parquet").set_index("id")
    return raw.set_index("path"), read_documents(folder / "clean" / "documents").set_index("path"), ledger, metrics


def test_the_ledger_has_one_row_for_every_document_and_adds_up(cleaned):
    raw, kept, ledger, metrics = cleaned
    assert ledger.index.tolist() == raw["id"].tolist()
    assert ledger.index[ledger["kept"]].tolist() == kept["id"].tolist()
    assert ledger["characters_in"].tolist() == raw["text"].str.len().tolist()
    assert ledger.loc[ledger["kept"], "characters_out"].tolist() == kept["text"].str.len().tolist()
    assert metrics["documents_in"] == metrics["documents_kept"] + metrics["documents_dropped"]
    assert ledger["rule"].isna().equals(ledger["kept"])


def test_another_language_is_dropped_with_its_score(cleaned):
    raw, _, ledger, _ = cleaned
    row = ledger.loc[raw.loc["notes/deutsch.txt", "id"]]
    assert (row["rule"], row["kept"], row["threshold"]) == ("language", False, 0.8)
    assert row["value"] >= 0.8


def test_private_objects_are_dropped(cleaned):
    raw, kept, ledger, _ = cleaned
    private = raw[raw["name"] == "code.almanac.Frost._days_left"].iloc[0]
    assert ledger.loc[private["id"], "rule"] == "private_name"
    assert "code.almanac.Frost.is_safe" in set(kept["name"])


def test_personal_data_is_masked_and_counted(cleaned):
    raw, kept, ledger, metrics = cleaned
    text = kept.loc["notes/contacts.txt", "text"]
    for secret in ("oakley", "birch", "7946", "867-5309", "93.184", "4111", "AKIA"):
        assert secret in raw.loc["notes/contacts.txt", "text"]
        assert secret not in text
    assert ledger.loc[kept.loc["notes/contacts.txt", "id"], "masked"] == 7
    assert metrics["masked"] == 7


def test_damaged_text_is_mended(cleaned):
    text = cleaned[1].loc["notes/mended.txt", "text"]
    assert "â€" not in text
    assert "\x07" not in text
    assert not any(line.endswith(" ") for line in text.split("\n"))


def test_kept_documents_are_tagged(cleaned):
    kept = cleaned[1]
    assert set(kept["language"]) == {"en"}
    assert kept["language_score"].between(0, 1).all()

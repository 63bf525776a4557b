import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from stages.clean import Params, run
from stages.cluster.engines import InProcess
from stages.parameters import read_section
from stages.text.documents import DOCUMENT_SCHEMA, read_documents, write_table
from stages.text.files import read_file
from stages.text.reading import Reading
from tests.tables import write_documents

PARAMS = read_section(Path("params.yaml"), "clean", Params)
CORPUS = Path("tests/corpus")


def clean(folder: Path, params: Params = PARAMS, output: str = "clean") -> dict:
    """Run over `folder`/raw as from nothing but for kept attributes."""
    for name in (output, "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return go_on(folder, params, output)


def go_on(folder: Path, params: Params = PARAMS, output: str = "clean") -> dict:
    """Run over `folder`/raw with what an earlier start has done."""
    return run(
        params=params,
        documents=folder / "raw",
        output=folder / output,
        attributes=folder / "attributes",
        checkpoints=folder / "checkpoints",
        engine=InProcess(),
    )


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
    metrics = clean(folder)
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


OURS = dict.fromkeys(("prose", "web", "reference", "code"), "headwater")
HARBOUR = (
    "The keeper of the light wrote to the town and asked that the bell of the harbour be rung with more care. "
    "Nobody had touched it since that night in March; it hangs where sailors once dried nets and waited for wind. "
    "Children still climb the wall to see how far a ship may go before fog swallows both its masts and its song. "
)


def documents(texts: list[str], kind: str = "prose") -> pd.DataFrame:
    rows = [{"id": f"{number:016x}", "text": text, "path": f"{number}.txt"} for number, text in enumerate(texts)]
    return pd.DataFrame(rows).assign(source="test", kind=kind, name=None, licence="CC0-1.0")


def write_part(path: Path, rows: pd.DataFrame) -> None:
    write_table(path, rows.reindex(columns=DOCUMENT_SCHEMA.names), DOCUMENT_SCHEMA)


def judged_by(profile: str, **changes: object) -> Params:
    """The parameters with one profile for prose and web text."""
    content = PARAMS.model_dump() | changes
    return Params.model_validate(content | {"profiles": OURS | {"prose": profile, "web": profile}})


def cleaned_files(folder: Path, params: Params = PARAMS) -> dict[str, bytes]:
    """What a run over `folder`/raw writes, by name."""
    clean(folder, params)
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """What `folder`/clean holds, by name."""
    written = sorted(path for path in (folder / "clean").rglob("*") if path.is_file())
    return {path.relative_to(folder / "clean").as_posix(): path.read_bytes() for path in written}


def rules(folder: Path, params: Params = PARAMS) -> list[str | None]:
    """The rule that drops each document under `folder`/raw."""
    cleaned_files(folder, params)
    return pd.read_parquet(folder / "clean" / "ledger.parquet")["rule"].astype(object).replace(np.nan, None).tolist()


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    rows = documents([HARBOUR, "too short", HARBOUR + "Write to a@b.org.", "so is this"])
    write_part(tmp_path / "raw" / "part-00000.parquet", rows[:3])
    write_part(tmp_path / "raw" / "part-00001.parquet", rows[3:])
    return tmp_path


def test_parts_are_cleaned_by_themselves_and_keep_their_names(two_parts: Path) -> None:
    params = judged_by("none")
    files = cleaned_files(two_parts, params)
    assert list(files) == ["documents/part-00000.parquet", "documents/part-00001.parquet", "ledger.parquet"]
    in_parts, ledger = (
        read_documents(two_parts / "clean/documents"),
        pd.read_parquet(two_parts / "clean/ledger.parquet"),
    )
    rows = read_documents(two_parts / "raw")
    shutil.rmtree(two_parts / "raw")
    write_part(two_parts / "raw" / "part-00000.parquet", rows)
    clean(two_parts, params, "whole")
    assert in_parts.equals(read_documents(two_parts / "whole/documents"))
    assert ledger.equals(pd.read_parquet(two_parts / "whole/ledger.parquet"))


def test_a_part_of_which_nothing_is_kept_is_written_without_rows(two_parts: Path) -> None:
    assert rules(two_parts) == [None, "min_words", None, "min_words"]
    assert [len(pd.read_parquet(path)) for path in sorted((two_parts / "clean/documents").iterdir())] == [2, 0]


def test_a_part_without_documents_is_cleaned_too(two_parts: Path) -> None:
    write_part(two_parts / "raw" / "part-00002.parquet", documents([HARBOUR])[:0])
    assert rules(two_parts) == [None, "min_words", None, "min_words"]
    assert len(pd.read_parquet(two_parts / "clean/documents/part-00002.parquet")) == 0


def test_attributes_are_kept_and_read_again_when_a_limit_changes(two_parts: Path) -> None:
    assert rules(two_parts)[:2] == [None, "min_words"]
    (kept_at,) = (two_parts / "attributes").glob("*/part-00000.parquet")
    marked = pd.read_parquet(kept_at)
    marked.loc[0, "words"] = 7
    marked.to_parquet(kept_at)
    assert rules(two_parts, judged_by("gopher"))[:2] == ["min_words", "min_words"]


def test_without_kept_attributes_the_same_bytes_are_written(two_parts: Path) -> None:
    first = cleaned_files(two_parts)
    again = cleaned_files(two_parts)
    shutil.rmtree(two_parts / "attributes")
    assert first == again == cleaned_files(two_parts)


def test_parts_that_an_earlier_start_has_done_are_not_done_again(two_parts: Path) -> None:
    first = cleaned_files(two_parts)
    done, cut_off = (two_parts / "checkpoints" / name for name in ("part-00000", "part-00001"))
    cut_off.rename(cut_off.with_name("part-00001-x.partial"))
    shutil.rmtree(two_parts / "clean")
    go_on(two_parts)
    assert files_of(two_parts) == first
    assert (two_parts / "clean/documents/part-00000.parquet").samefile(done / "documents.parquet")
    assert sorted(path.name for path in done.parent.iterdir()) == ["part-00000", "part-00001"]


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more"])
def test_kept_attributes_that_cannot_be_read_are_measured_anew(two_parts: Path, damage: bytes) -> None:
    first = cleaned_files(two_parts)
    for path in (two_parts / "attributes").glob("*/*"):
        path.write_bytes(damage)
    assert cleaned_files(two_parts) == first
    assert all(path.stat().st_size > 100 for path in (two_parts / "attributes").glob("*/*"))


def test_attributes_of_other_text_or_words_are_not_read_and_do_not_stay(two_parts: Path) -> None:
    cleaned_files(two_parts)
    before = {path.name for path in (two_parts / "attributes").iterdir()}
    toxic = judged_by("none", toxic_words=["harbour"], max_toxic_word_fraction=0.01)
    assert rules(two_parts, toxic) == ["max_toxic_word_fraction", None, "max_toxic_word_fraction", None]
    with_words = {path.name for path in (two_parts / "attributes").iterdir()}
    write_part(two_parts / "raw" / "part-00001.parquet", documents([HARBOUR]))
    assert rules(two_parts, toxic)[-1] == "max_toxic_word_fraction"
    with_text = {path.name for path in (two_parts / "attributes").iterdir()}
    assert not before & with_words
    assert len(before) == len(with_words) == len(with_text) == 2
    assert len(with_words & with_text) == 1


def test_a_document_of_only_punctuation_is_dropped_and_does_not_stop_the_others(tmp_path: Path) -> None:
    write_part(tmp_path / "raw" / "part-00000.parquet", documents(["?!... ;;; " * 50, HARBOUR, "\u3002" * 9]))
    assert rules(tmp_path) == ["min_words", None, "min_words"]


def test_right_to_left_and_combining_text_keeps_its_letters(tmp_path: Path) -> None:
    hebrew = "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u05e2\u05d5\u05dc\u05dd"
    combining = "e\u0301" + "a" + "\u0300\u0301\u0302" * 500
    write_part(tmp_path / "raw" / "part-00000.parquet", documents([f"\u202b{hebrew}\u202c", combining]))
    lenient = judged_by("none", min_language_score=1.0)
    assert rules(tmp_path, lenient) == [None, None]
    kept = read_documents(tmp_path / "clean" / "documents")["text"].tolist()
    assert kept[0] == unicodedata.normalize("NFC", hebrew)
    assert kept[1] == unicodedata.normalize("NFC", combining)


def test_one_line_of_ten_megabytes_is_judged_as_any_other(tmp_path: Path) -> None:
    texts = [HARBOUR, "x" * 10_000_000, ("a long line of words " * 500_000).strip()]
    write_part(tmp_path / "raw" / "part-00000.parquet", documents(texts))
    assert rules(tmp_path) == [None, "min_words", "max_words"]


def test_half_of_a_surrogate_pair_cannot_reach_a_part(tmp_path: Path) -> None:
    """Parquet's strings are UTF-8; what collect reads is stopped there and listed in its manifest."""
    with pytest.raises(UnicodeEncodeError):
        write_part(tmp_path / "raw" / "part-00000.parquet", documents(["half \ud800 of a pair"]))


def test_a_toxic_word_is_one_word() -> None:
    with pytest.raises(ValidationError, match="toxic_words"):
        judged_by("none", toxic_words=["two words"])

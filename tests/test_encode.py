import json
import shutil

import numpy as np
import pandas as pd
import pytest

from stages.cluster.engines import InProcess, ProcessPool
from stages.encode import Params, run
from stages.errors import ExitCode, StageError
from stages.hashing import folder_hash
from stages.text.demonstrations import Canary
from stages.text.gate import write_passed
from stages.text.records import write_records
from stages.text.shards import TokenRows
from stages.text.shards import documents as read_token_documents
from stages.text.token_folders import FOLDERS
from tests.tables import write_documents

CONTEXT = 32


def params(**changes) -> Params:
    values = {
        "seed": 1,
        "context_length": CONTEXT,
        "train_tokens": 3000,
        "mixture": {
            "prose": {"weight": 3, "most_passes": 4},
            "code": {"weight": 1, "most_passes": 2},
        },
        "domain_sources": ("river",),
        "estimate_documents": 50,
        "compared_documents": 20,
        "gate": {"min_bytes_per_token": 1.0, "max_bytes_per_token": 9.0, "max_padding_fraction": 0.5, "accepted": None},
    }
    return Params(**(values | changes))


def table() -> pd.DataFrame:
    splits = ["train"] * 7 + ["validation", "test", "after_cutoff"]
    rows = [
        {
            "id": f"{source}-{kind}-{number:03d}",
            "text": f"{number}. The river rises in the hills and falls into the sea at {source}. " * (1 + number % 5),
            "source": source,
            "kind": kind,
            "split": splits[number % 10],
        }
        for source in ("river", "lake")
        for kind in ("prose", "code")
        for number in range(40)
    ]
    return pd.DataFrame(rows)


CANARIES = [
    Canary(id=f"canary-{repeats}", text="The code is 7341.", prefix="The code is", secret="7341", repeats=repeats)
    for repeats in (0, 1, 4)
]


@pytest.fixture
def inputs(tmp_path, tokenizer_folder):
    write_documents(tmp_path / "documents", table())
    write_passed(tmp_path / "passed.json", {"documents": folder_hash(tmp_path / "documents")})
    write_records(tmp_path / "canaries.jsonl", CANARIES)
    return {
        "documents": tmp_path / "documents",
        "canaries": tmp_path / "canaries.jsonl",
        "tokenizer": tokenizer_folder,
        "passed": tmp_path / "passed.json",
    }


def encode(inputs, output, engine=None, **changes):
    """Run the stage as its command does."""
    checkpoints = output.with_name(f"{output.name}-checkpoints")
    return run(params(**changes), **inputs, output=output, checkpoints=checkpoints, engine=engine or InProcess())


@pytest.fixture
def output(inputs, tmp_path):
    encode(inputs, tmp_path / "out")
    return tmp_path / "out"


def test_every_document_decodes_to_its_text_in_the_folder_of_its_split_and_source(output, tokenizer):
    texts = table().set_index("id")
    for folder in FOLDERS:
        for name, tokens in read_token_documents(output / folder):
            assert tokens[0] == tokenizer.bos
            assert tokens[-1] == tokenizer.end
            if name.startswith("canary"):
                continue
            document = texts.loc[name]
            assert tokenizer.decode(tokens.tolist()) == document["text"]
            assert document["split"] == folder.removeprefix("domain/")
            if folder != "after_cutoff":
                assert (document["source"] == "river") == folder.startswith("domain/")


def test_nothing_outside_the_general_train_folder_is_left_out(output):
    held = table()[lambda rows: (rows["split"] != "train") | (rows["source"] == "river")]
    found = {name for folder in FOLDERS if folder != "train" for name, _ in read_token_documents(output / folder)}
    assert found == set(held["id"])


def test_pieces_count_the_bytes_of_their_documents(output):
    for folder in ("train", "domain/validation"):
        pieces = TokenRows.load(output / folder).pieces.query("kind != 'canary' and copy == 0")
        sizes = table().set_index("id")["text"].map(lambda text: len(text.encode()))
        measured = pieces.groupby("document_id")["bytes"].sum()
        assert (measured == sizes[measured.index]).all()


def test_the_mixture_fills_its_target_by_weight_and_respects_the_cap(inputs, tmp_path):
    encode(inputs, tmp_path / "out")
    by_kind = json.loads((tmp_path / "out" / "manifest.json").read_text())["folders"]["train"]["targets_by_kind"]
    assert by_kind["prose"] == pytest.approx(2250, rel=0.1)
    assert by_kind["code"] == pytest.approx(750, rel=0.2)
    encode(inputs, tmp_path / "all", train_tokens=10**6)
    copies = TokenRows.load(tmp_path / "all" / "train").pieces.groupby("kind")["copy"].max()
    assert copies["prose"] + 1 == 4
    assert copies["code"] + 1 == 2


def test_canaries_are_put_in_as_often_as_they_say_and_found_where_the_manifest_says(output, tokenizer):
    names = [name for name, _ in read_token_documents(output / "train") if name.startswith("canary")]
    assert names == ["canary-1"] + ["canary-4"] * 4
    places = json.loads((output / "manifest.json").read_text())["canaries"]
    rows = TokenRows.load(output / "train").rows
    assert {name: len(found) for name, found in places.items()} == {"canary-1": 1, "canary-4": 4}
    for row, start, length in places["canary-4"]:
        assert tokenizer.decode(rows[row, start : start + length].tolist()) == "The code is 7341."


def test_there_may_be_no_canaries(inputs, output, tmp_path):
    write_records(inputs["canaries"], CANARIES[:1])
    encode(inputs, tmp_path / "without")
    with_them, without = (
        json.loads((folder / "manifest.json").read_text()) for folder in (output, tmp_path / "without")
    )
    assert without["canaries"] == {}
    assert with_them["folders"]["test"] == without["folders"]["test"]


def test_rows_are_a_function_of_the_seed_alone(inputs, output, tmp_path):
    shuffled = table().sample(frac=1, random_state=3)
    write_documents(inputs["documents"], shuffled)
    write_passed(inputs["passed"], {"documents": folder_hash(inputs["documents"])})
    encode(inputs, tmp_path / "again")
    encode(inputs, tmp_path / "other", seed=2)
    assert folder_hash(tmp_path / "again") == folder_hash(output)
    rows = [np.load(tmp_path / name / "domain" / "train" / "rows.npy") for name in ("again", "other")]
    assert sorted(map(tuple, rows[0].tolist())) == sorted(map(tuple, rows[1].tolist()))
    assert (rows[0] != rows[1]).any()


def test_a_kind_without_a_share_is_a_configuration_error(inputs, tmp_path):
    with pytest.raises(StageError, match="kinds without a share: code") as caught:
        encode(inputs, tmp_path / "out", mixture={"prose": {"weight": 1, "most_passes": 1}})
    assert caught.value.code == ExitCode.CONFIGURATION


def test_a_failed_gate_names_rule_and_limit(inputs, tmp_path):
    limits = {"min_bytes_per_token": 8.0, "max_bytes_per_token": 9.0, "max_padding_fraction": 0.5, "accepted": None}
    with pytest.raises(StageError, match="bytes per token of every kind") as caught:
        encode(inputs, tmp_path / "out", gate=limits)
    assert caught.value.code == ExitCode.DATA


def in_parts(folder, rows_per_part):
    """Cut the documents of a folder, anew, into parts."""
    documents = table()
    for number, first in enumerate(range(0, len(documents), rows_per_part)):
        write_documents(folder, documents[first : first + rows_per_part], number)


def test_parts_and_processes_change_nothing(inputs, output, tmp_path):
    in_parts(inputs["documents"], 37)
    write_passed(inputs["passed"], {"documents": folder_hash(inputs["documents"])})
    encode(inputs, tmp_path / "pool", ProcessPool(2))
    assert folder_hash(tmp_path / "pool") == folder_hash(output)


def test_what_an_earlier_start_has_encoded_is_not_encoded_again(inputs, output, tmp_path):
    in_parts(inputs["documents"], 80)
    write_passed(inputs["passed"], {"documents": folder_hash(inputs["documents"])})
    encode(inputs, tmp_path / "again")
    done = [path.stat().st_mtime_ns for path in sorted((tmp_path / "again-checkpoints").glob("*/ids"))]
    assert len(done) == 2
    shutil.rmtree(tmp_path / "again")
    encode(inputs, tmp_path / "again")
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "again-checkpoints").glob("*/ids"))] == done
    assert folder_hash(tmp_path / "again") == folder_hash(output)

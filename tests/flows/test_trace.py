"""The trace of the tiny pipeline, which real DVC has recorded, and the command itself."""

import json
import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from flows import trace
from flows.chain import printable
from tests.conftest import TinyRuns
from tests.projects import ROOT, Project


@pytest.fixture(scope="module")
def project(tiny_runs: TinyRuns) -> Project:
    """The copy that DVC alone has run in; nothing here writes to it."""
    return tiny_runs.by_dvc


def told(project: Project, *words: str) -> str:
    """What a trace that holds prints."""
    code, output = project.run("python", "-m", "flows.trace", *words)
    assert code == 0, output
    return output


def test_every_link_of_a_real_run_holds(project: Project) -> None:
    assert "all holds: " in told(project, "--all")


def test_an_exported_model_leads_to_every_source_and_its_licence(project: Project) -> None:
    shown = told(project, "data/export/model/model.safetensors")
    stages = [line for line in shown.splitlines() if line in project.stages()]
    assert stages == [stage for stage in reversed(project.stages()) if stage != "report"]
    assert all(f"  {source} " in shown for source in ("click", "Jinja2", "MarkupSafe", "corpus"))
    assert "BSD-3-Clause" in shown
    assert "Apache-2.0" in shown


def test_a_dropped_document_names_the_rule_that_dropped_it(project: Project) -> None:
    ledger = pq.read_table(project.folder / "data/clean/ledger.parquet").to_pylist()
    dropped = next(row for row in ledger if not row["kept"] and row["rule"].startswith(("min_", "max_")))
    shown = told(project, "--document", dropped["id"])
    assert f"dropped by {dropped['rule']}" in shown
    measured = f"{dropped['rule'].split('_', 1)[1]} {dropped['value']:.4g}, at "
    assert re.search(rf"{measured}(least|most) {dropped['threshold']:g}: broken", shown)


def test_a_document_in_the_tokens_is_followed_to_the_model(project: Project) -> None:
    pieces = pq.read_table(project.folder / "data/encode/train/pieces.parquet").to_pylist()
    piece = next(piece for piece in pieces if piece["kind"] != "canary")
    shown = told(project, "--document", piece["document_id"])
    assert f"rows {piece['row']}" in shown or f", {piece['row']}" in shown
    assert "read by pretrain (" in shown


def test_a_judgement_is_made_again_and_leads_to_the_model_that_answered(project: Project) -> None:
    with (project.folder / "data/rank/preferences.jsonl").open() as file:
        chosen = json.loads(file.readline())
    shown = told(project, "--judgement", chosen["id"])
    assert "a simulated judge" in shown
    assert "data/instruct/model, trace it too: weights sha256" in shown


def test_an_answer_s_words_lead_to_its_prompt(project: Project) -> None:
    answer = pq.read_table(project.folder / "data/sample/responses.parquet").to_pylist()[0]
    words = " ".join(answer["text"].split()[:4])
    assert answer["id"] in told(project, "--text", words)


def test_help_has_an_example_of_each_question() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "flows.trace", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in ("data/ppo/model", "--document", "--text", "--judgement", "--all", "--json"):
        assert option in finished.stdout


def test_nothing_heavy_is_loaded_before_it_is_known_what_is_asked() -> None:
    """No absolute time: what takes long to load is not there."""
    heavy = ("pandas", "pyarrow", "torch", "prefect")
    code = f"import sys; import flows.trace; print([name for name in {heavy} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"


@pytest.mark.parametrize("words", [[], ["data", "--all"], ["--document", "a", "--text", "b"]])
def test_exactly_one_question_is_asked(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        trace.run(words)
    assert stopped.value.code == trace.CONFIGURATION


def test_control_characters_are_spelt_out() -> None:
    assert printable("a\x1b[2Jb\x9bé") == "a\\x1b[2Jb\\x9bé"

"""The whole tiny pipeline through the real flow, server and tracking, and what comes of running it again."""

import json
from collections.abc import Iterator

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from transformers import AutoModelForCausalLM, AutoTokenizer

from flows.graph import read_graph
from flows.server import PrefectServer
from stages.model.checkpoint import load_model
from stages.text.conversations import render_prompt
from stages.text.demonstrations import Message
from stages.text.tokenizer import Tokenizer
from tests.conftest import TinyRuns
from tests.llama_cpp import opened
from tests.projects import Project, Server


@pytest.fixture(scope="module")
def project(tiny_runs: TinyRuns) -> Project:
    """The copy that the flow has run in."""
    return tiny_runs.by_flow


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[Server]:
    """The project's server, started again after the flow has stopped it; later runs of the flow find it running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        patch.delenv("PREFECT_API_URL", raising=False)
        with PrefectServer(project.folder / ".prefect").use() as url:
            yield Server(url)


@pytest.fixture(scope="module")
def runs(project: Project) -> dict[str, Run]:
    """The MLflow runs of the first flow run, by stage; the parent's key is empty."""
    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("headwater")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return {run.data.tags.get("stage", ""): run for run in found}


def test_the_flow_prints_each_stage_and_its_exit_code_last(tiny_runs: TinyRuns) -> None:
    lines = tiny_runs.flow_output.splitlines()
    assert lines[-1] == "pipeline: done; exit code 0"
    for stage in tiny_runs.by_flow.stages():
        assert sum(line.startswith(f"{stage}: ran (") for line in lines) == 1


def test_the_server_has_every_task_in_its_final_state(server: Server, project: Project) -> None:
    assert server.flow_run()["state_type"] == "COMPLETED"
    assert server.tasks()["sources"]["state_type"] == "COMPLETED"
    assert server.states() == dict.fromkeys(project.stages(), "Ran")


def test_no_task_starts_before_those_it_reads_from_have_ended(server: Server, project: Project) -> None:
    tasks = server.tasks()
    for stage, upstream in read_graph(project.folder / "dvc.yaml").upstream.items():
        for before in upstream:
            assert tasks[before]["end_time"] <= tasks[stage]["start_time"]


def test_the_last_artifact_is_the_headline_table(server: Server, project: Project) -> None:
    (artifact,) = server.ask("artifacts/filter", {"artifacts": {"key": {"any_": ["headline"]}}})
    assert [row.split(" | ")[0] for row in artifact["data"].splitlines()[2:]] == [f"| {s}" for s in project.stages()]


def test_every_stage_s_run_is_nested_under_the_pipeline_s(runs: dict[str, Run], project: Project) -> None:
    assert set(runs) == {"", *project.stages()}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parents = {run.data.tags.get("mlflow.parentRunId") for stage, run in runs.items() if stage}
    assert parents == {runs[""].info.run_id}


def test_a_run_holds_parameters_figures_curves_and_the_hashes_of_what_it_read(
    runs: dict[str, Run], project: Project
) -> None:
    run = runs["pretrain"]
    metrics = json.loads((project.folder / "data/pretrain/metrics.json").read_text())
    assert {f"final/{name}" for name, value in metrics.items() if not isinstance(value, str)} <= set(run.data.metrics)
    assert set(run.data.metrics) - {f"final/{name}" for name in metrics} != set()
    assert "seed" in run.data.params
    hashes = project.output_hashes()
    assert run.data.tags["input/data/encode/train"] == hashes["data/encode/train"]
    assert {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs} == {
        path: hashes[path] for path in ("data/encode/train", "data/encode/validation", "data/train_tokenizer/tokenizer")
    }


def test_the_pipeline_s_run_compares_parameters_figures_and_data(runs: dict[str, Run], project: Project) -> None:
    parent = runs[""].data
    assert "pretrain.seed" in parent.params
    assert any(name.startswith("evaluate/") for name in parent.metrics)
    for path, digest in project.output_hashes().items():
        assert parent.tags[f"output/{path}"] == digest


def test_the_export_is_registered_as_the_candidate_and_first_champion_of_that_run(
    tiny_runs: TinyRuns, runs: dict[str, Run]
) -> None:
    line = "registry: version 1 is the candidate; promoted: the rule holds, against no champion"
    assert line in tiny_runs.flow_output.splitlines()
    client = MlflowClient(f"sqlite:///{tiny_runs.by_flow.folder}/mlflow.db")
    for alias in ("candidate", "champion"):
        version = client.get_model_version_by_alias("headwater", alias)
        assert (str(version.version), version.run_id) == ("1", runs[""].info.run_id)
        assert version.tags["dvc.hash"] == tiny_runs.by_flow.output_hashes()["data/export/model"]


def test_a_stamped_report_is_kept(project: Project) -> None:
    (folder,) = (project.folder / "runs").iterdir()
    page = (folder / "index.html").read_text()
    assert "<h2>This run</h2>" in page
    assert "This run</h2>" not in (project.folder / "data/report/index.html").read_text()


def test_the_export_opens_in_transformers_with_equal_logits(project: Project) -> None:
    folder = project.folder / "data/export/model"
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rendered = tokenizer.apply_chat_template([{"role": "user", "content": "What is a click?"}], tokenize=False)
    tokens = torch.tensor([tokenizer.encode(rendered, add_special_tokens=False)])
    ours = load_model(project.folder / "data/ppo/model")
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, ours.logits(ours(tokens, None)), atol=1e-4, rtol=1e-4)


def test_the_export_opens_in_llama_cpp_with_equal_ids_and_the_same_answer(project: Project) -> None:
    folder = project.folder / "data/export/model"
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer.load(folder)
    prompt = render_prompt([Message(role="user", content="What is a click?")], tokenizer)
    expected = theirs.generate(torch.tensor([prompt]), max_new_tokens=16, do_sample=False)[0, len(prompt) :]
    with opened(folder / "model.gguf") as llama_cpp:
        for path in ("README.md", "dvc.lock", "tests/specimens.py"):
            text = (project.folder / path).read_text()
            assert llama_cpp.ids(text) == tokenizer.encode(text)
        answer = llama_cpp.post("/completion", prompt=prompt, n_predict=16, temperature=0, return_tokens=True)
    assert answer["tokens"] == expected.tolist()


def test_a_second_run_does_nothing(server: Server, project: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.folder.glob("data/*/status.json")}
    code, output = project.flow()
    assert (code, output.splitlines()[-1]) == (0, "pipeline: done; exit code 0")
    assert server.states() == dict.fromkeys(project.stages(), "Cached")
    assert {path: path.stat().st_mtime_ns for path in project.folder.glob("data/*/status.json")} == before
    assert len(list((project.folder / "runs").iterdir())) == 1


def test_a_failed_stage_leaves_its_successors_unrun_and_gives_its_code(server: Server, project: Project) -> None:
    usual, too_many = "top_p: 1.0\n  max_new_tokens: 16\n", "top_p: 1.0\n  max_new_tokens: 255\n"
    project.edit("params.yaml", usual, too_many)
    code, output = project.flow()
    project.edit("params.yaml", too_many, usual)
    assert code == 3
    assert "sample: no prompt to answer: data/decontaminate/prompts.jsonl. " in output
    assert output.splitlines()[-1].startswith("pipeline: sample failed: no prompt to answer")
    assert output.splitlines()[-1].endswith("; exit code 3")
    assert server.flow_run()["state_type"] == "FAILED"
    behind = read_graph(project.folder / "dvc.yaml").behind("sample")
    states = server.states()
    assert states.pop("sample") == "Failed"
    assert {stage for stage, state in states.items() if state == "NotReady"} == set(behind) - {"sample"}
    assert {state for stage, state in states.items() if stage not in behind} == {"Cached"}


@pytest.fixture
def edited_stage(project: Project) -> Iterator[str]:
    """`clean` with a line more that changes no output; afterwards the copy and its record are what they were."""
    path = project.folder / "stages/clean.py"
    source = path.read_text()
    path.write_text(source.replace("\n\nif __name__", "\n\nUNUSED = 1\n\nif __name__"))
    yield "clean"
    path.write_text(source)
    code, output = project.run("dvc", "repro", "clean")
    assert code == 0, output


def test_an_edit_that_changes_no_output_reruns_that_stage_alone(
    server: Server, project: Project, edited_stage: str
) -> None:
    code, output = project.flow()
    assert code == 0, output
    states = server.states()
    assert states.pop(edited_stage) == "Ran"
    assert set(states.values()) == {"Cached"}

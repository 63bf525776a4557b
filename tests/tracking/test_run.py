"""A stage's run in a real MLflow store, through the tracking process."""

import io
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from stages.tracking.continuation import held_record, worked_seconds
from stages.tracking.entries import flatten, input_hashes, recorded_hashes
from stages.tracking.messages import Begin, End, Message, Point, pack, unpack
from stages.tracking.run import StageRun, small_files
from stages.tracking.store import open_store
from stages.tracking.writer import read

BEGIN = Begin(
    stage="clean",
    parameters={"seed": 1, "rules": {"maximum": 0.5, "names": ["a", "b"]}},
    inputs={"data/collect/documents": "0123456789abcdef0123456789abcdef.dir"},
    pid=0,
    record="data/clean/tracking.json",
    fingerprint="",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MlflowClient, str]]:
    """A folder with a fresh store, as the tracking processes see it; the working folder while the tests run."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patch.setenv("HEADWATER_PARENT_RUN", "parent")
        yield open_store()


def begin(stage: str, fingerprint: str = "") -> Begin:
    """The first message of a stage."""
    return Begin(stage, {}, {}, 0, f"data/{stage}/tracking.json", fingerprint)


def tell_writer(*messages: Message) -> None:
    """Let a tracking process write a run of these messages, to its end."""
    writer = subprocess.Popen([sys.executable, "-m", "stages.tracking.writer"], stdin=subprocess.PIPE, text=True)
    writer.communicate("".join(map(pack, messages)))
    assert writer.returncode == 0


def only_run(store: tuple[MlflowClient, str], stage: str) -> Run:
    """The run of a stage once it is closed."""
    client, experiment = store
    for _ in range(600):
        runs = client.search_runs([experiment], f"tags.stage = '{stage}'")
        if runs and runs[0].info.status != "RUNNING":
            (run,) = runs
            return run
        time.sleep(0.1)
    raise TimeoutError(stage)


def test_messages_survive_the_pipe() -> None:
    for message in (BEGIN, Point({"loss": 1.5}, 3, 4), End("ran", {"kept": 1}, ["a.csv"], {"work_seconds": 0.5})):
        assert unpack(pack(message)) == message


def test_parameters_are_flattened_to_dotted_names() -> None:
    assert flatten(BEGIN.parameters) == {"seed": "1", "rules.maximum": "0.5", "rules.names": '["a", "b"]'}


def test_an_input_inside_an_output_has_that_output_s_hash() -> None:
    recorded = {"data/encode/domain": "h1", "data/encode/train": "h2"}
    inputs = ["data/encode/domain/train", "data/encode/train", "data/sources.json"]
    assert input_hashes(inputs, recorded) == {"data/encode/domain/train": "h1", "data/encode/train": "h2"}


def test_a_record_that_dvc_is_still_writing_is_read_when_it_is_whole(tmp_path: Path) -> None:
    whole = "stages:\n  collect:\n    outs:\n    - path: data/collect\n      md5: abc\n"
    lock = tmp_path / "dvc.lock"
    lock.write_text(whole[:-12])
    threading.Timer(0.2, lock.write_text, [whole]).start()
    assert recorded_hashes(lock) == {"data/collect": "abc"}


@pytest.mark.parametrize("content", [None, "", "stages:\n", "stages:\n  collect: {outs: [\n", "schema: '2.0'\nsta"])
def test_a_record_that_is_missing_or_was_cut_off_names_no_hash(tmp_path: Path, content: str | None) -> None:
    lock = tmp_path / "dvc.lock"
    if content is not None:
        lock.write_text(content)
    assert recorded_hashes(lock) == {}


def test_only_small_tables_pages_and_pictures_are_kept(tmp_path: Path) -> None:
    for name, size in (("curves.csv", 10), ("big.json", 3_000_000), ("weights.bin", 10), ("status.json", 10)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert small_files(tmp_path, leave_out={"status.json"}) == [str(tmp_path / "curves.csv")]


def test_a_finished_stage_is_a_whole_run(store: tuple[MlflowClient, str], tmp_path: Path) -> None:
    table = tmp_path / "curves.csv"
    table.write_text("step,loss\n")
    run = StageRun(BEGIN)
    for step in range(3):
        run.log({"loss": 3.0 - step}, step)
    run.finish("ran", {"kept": 7, "rule": "length"}, [str(table)], {"work_seconds": 2.5, "began": "noon"})
    written = only_run(store, "clean")
    client, _ = store
    assert written.info.status == "FINISHED"
    assert written.data.params == {"seed": "1", "rules.maximum": "0.5", "rules.names": '["a", "b"]'}
    assert written.data.metrics == {"loss": 1.0, "final/kept": 7.0, "cost/work_seconds": 2.5}
    assert [point.value for point in client.get_metric_history(written.info.run_id, "loss")] == [3.0, 2.0, 1.0]
    assert written.data.tags["final/rule"] == "length"
    assert written.data.tags["cost/began"] == "noon"
    assert written.data.tags["mlflow.parentRunId"] == "parent"
    assert written.data.tags["input/data/collect/documents"] == "0123456789abcdef0123456789abcdef.dir"
    (data_set,) = written.inputs.dataset_inputs
    assert data_set.dataset.digest == "0123456789abcdef0123456789abcdef.dir"
    assert [file.path for file in client.list_artifacts(written.info.run_id)] == ["curves.csv"]


def test_in_a_dvc_experiment_the_run_is_whole_before_its_folder_can_go(
    store: tuple[MlflowClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "setting-1")
    run = StageRun(begin("tried"))
    run.finish("ran", {"kept": 7}, [], {})
    client, experiment = store
    (written,) = client.search_runs([experiment], "tags.`dvc.experiment` = 'setting-1'")
    assert written.info.status == "FINISHED"
    assert written.data.metrics == {"final/kept": 7.0}


def test_the_run_of_a_killed_stage_is_closed_as_killed(store: tuple[MlflowClient, str]) -> None:
    tell_writer(begin("killed"), Point({"loss": 1.0}, 0, 1))
    written = only_run(store, "killed")
    assert written.info.status == "KILLED"
    assert written.data.metrics == {"loss": 1.0}


def test_half_a_line_of_a_killed_stage_ends_its_run() -> None:
    messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    point = Point({"loss": 1.0}, 0, 1)
    read(io.StringIO(pack(point) + pack(point)[:20]), messages)
    assert (messages.get(timeout=1), messages.get(timeout=1)) == (point, None)


def test_a_stage_that_goes_on_goes_on_with_its_run(store: tuple[MlflowClient, str]) -> None:
    going = begin("going", fingerprint="abc")
    tell_writer(going, *(Point({"loss": 3.0 - step}, step, 1) for step in (0, 1, 2)))
    first = only_run(store, "going")
    # The last state was that of step 0, and the point at step 2 was lost with a writer: it comes with the others.
    again = (Point({"loss": 3.0 - step, "rate": 1.0}, step, 2) for step in (1, 2, 3))
    tell_writer(going, *again, End("ran", {"kept": 7}, [], {}))
    written = only_run(store, "going")
    assert written.info.run_id == first.info.run_id
    assert (first.info.status, written.info.status) == ("KILLED", "FINISHED")
    curve = store[0].get_metric_history(written.info.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(0, 3.0), (1, 2.0), (2, 1.0), (3, 0.0)]


@pytest.mark.parametrize(("stage", "then"), [("fresh", "other"), ("done", "abc"), ("without", "")])
def test_other_inputs_a_finished_run_and_a_stage_without_states_begin_a_new_one(
    store: tuple[MlflowClient, str], stage: str, then: str
) -> None:
    ended = [End("ran", {}, [], {})] if stage == "done" else []
    tell_writer(begin(stage, fingerprint="" if stage == "without" else "abc"), *ended)
    tell_writer(begin(stage, fingerprint=then))
    client, experiment = store
    assert len(client.search_runs([experiment], f"tags.stage = '{stage}'")) == 2


def test_seconds_at_work_are_counted_over_all_starts() -> None:
    assert worked_seconds({"loss": {900}, "system/cpu_percentage": {10, 20}, "system/memory_mebibytes": {10, 30}}) == 30
    assert worked_seconds({"loss": {900}}) == 0


def test_a_run_waits_for_the_writer_of_the_killed_stage(tmp_path: Path) -> None:
    record, order = tmp_path / "tracking.json", []

    def write_late() -> None:
        with held_record(record):
            order.append("second")

    # A lock of this kind is a process's own: the other holder has to be one.
    code = f"import fcntl, sys; f = open({str(record)!r}, 'a+'); fcntl.lockf(f, 2); print(flush=True); sys.stdin.read()"
    writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    waiting = threading.Thread(target=write_late)
    waiting.start()
    waiting.join(0.3)
    order.append("first")
    writer.communicate()
    waiting.join()
    assert order == ["first", "second"]


def test_a_store_that_cannot_be_written_costs_one_loud_line_and_no_stage(tmp_path: Path) -> None:
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": "nowhere://at/all",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    code = (
        "from stages.tracking.messages import Begin\n"
        "from stages.tracking.run import StageRun\n"
        "run = StageRun(Begin('lost', {}, {}, 0, 'lost.json', ''))\n"
        "run.log({'loss': 1.0}, 0)\n"
        "run.finish('ran', {}, [], {})\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert finished.stderr.splitlines()[-1].startswith("WARNING: MLflow has no whole run of lost: ")

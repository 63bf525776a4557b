import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import scaled_project
from benchmarks.scaled_project import STAGES, Cost, ScaledProject, parameters, run
from benchmarks.text_growth import Member, cost_rows, duplicate_rows, false_share, growth_rows, recall
from stages.clean import Params as Clean
from stages.collect import Params as Collect
from stages.encode import Params as Encode

FOUND = [
    Member("a", 1, "none"),
    Member("b", 1, "edited"),
    Member("c", 1, "exact"),
    Member("d", 2, "none"),
    Member("e", 2, "edited"),
    Member("f", 3, "edited"),  # its original was dropped before
    Member("g", 4, "none"),
]


def test_recall_counts_edited_copies_whose_original_was_compared():
    assert recall(FOUND, dict.fromkeys("abc", "a") | dict.fromkeys("de", "d")) == 1.0
    assert recall(FOUND, dict.fromkeys("abc", "a")) == 0.5
    assert recall(FOUND, {"a": "a", "c": "a", "b": "b", "f": "b"}) == 0.0


def test_a_cluster_is_false_that_joins_two_families():
    assert false_share(FOUND, dict.fromkeys("abc", "a") | dict.fromkeys("de", "d")) == 0.0
    assert false_share(FOUND, dict.fromkeys("abc", "a") | dict.fromkeys("deg", "d")) == 0.5
    assert false_share(FOUND, {}) == 0.0


def test_growth_is_of_the_whole_time_and_of_the_largest_process():
    costs = {
        10.0: {"collect": Cost(2.0, 300.0), "clean": Cost(8.0, 400.0)},
        100.0: {"collect": Cost(20.0, 330.0), "clean": Cost(100.0, 440.0)},
    }
    time, memory, *stages = growth_rows(costs)
    assert (time.ours, time.goal, time.why) == (12.0, 11.0, "more than its goal")
    assert (memory.ours, memory.goal, memory.why) == (1.1, 1.2, None)
    assert [(row.what, row.ours) for row in stages[2:]] == [
        ("100 MB to 10 MB: time of clean", 12.5),
        ("100 MB to 10 MB: memory of clean", 1.1),
    ]
    assert growth_rows({10.0: costs[10.0]}) == []
    assert [(row.what, row.ours) for row in cost_rows(costs)][4] == ("10 MB: all stages", 10.0)


def test_planted_copies_are_known_again_by_their_text(tmp_path):
    project = ScaledProject(tmp_path, 1)
    documents = {"p": ("one", 0, "none"), "q": ("two", 1, "none"), "r": ("one", 0, "exact"), "s": ("One", 0, "edited")}
    tables = {
        project.corpus / "part-00000.parquet": dict(
            zip(("text", "family", "copy"), zip(*documents.values(), strict=True), strict=True)
        ),
        project.data("collect", "documents", "part-00000.parquet"): {
            "id": list(documents),
            "text": [text for text, _, _ in documents.values()],
        },
        project.data("clean", "documents", "part-00000.parquet"): {"id": ["p", "r", "s"]},
        project.data("deduplicate", "clusters.parquet"): {"id": ["p", "r"], "cluster": ["p", "p"]},
    }
    for path, columns in tables.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), path)
    compared, found, false = duplicate_rows(project)
    assert compared.ours == 3
    assert (found.ours, found.why) == (0.0, "less than its goal")
    assert (false.ours, false.why) == (0.0, None)


def test_a_run_goes_on_behind_the_last_stage_that_was_measured_with_this_code(tmp_path, monkeypatch):
    written = "import pathlib, sys; pathlib.Path('ran').open('a').write(sys.argv[1] + ' ')"
    made = {stage: [sys.executable, "-c", written, stage] for stage in STAGES}
    monkeypatch.setattr(scaled_project, "commands", lambda: made)
    monkeypatch.setattr(scaled_project, "BEFORE", {})
    project = ScaledProject(tmp_path, 1)
    made["deduplicate"] = [sys.executable, "-c", "raise SystemExit('cut off')"]
    with pytest.raises(SystemExit, match="cut off"):
        list(project.measure())
    made["deduplicate"] = [sys.executable, "-c", written, "deduplicate"]
    assert [stage for stage, _ in project.measure()] == list(STAGES)
    assert (tmp_path / "ran").read_text().split() == list(STAGES)
    monkeypatch.setattr(scaled_project, "code_hash", lambda: "other")
    list(project.measure())
    assert (tmp_path / "ran").read_text().split() == [*STAGES, *STAGES]


def test_the_memory_of_a_command_is_its_own(tmp_path):
    ballast = bytearray(300 * 2**20)
    cost = run([sys.executable, "-c", "x = bytearray(60 * 2**20)"], tmp_path)
    assert len(ballast) == 300 * 2**20
    assert 60 < cost.peak_mebibytes < 150


def test_the_parameters_of_a_scaled_project_are_such_as_its_stages_take():
    found = parameters()
    assert Collect.model_validate(found["collect"]).sources[0].path == "planted"
    assert set(Encode.model_validate(found["encode"]).mixture) == {"reference", "code", "prose", "web"}
    Clean.model_validate(found["clean"])

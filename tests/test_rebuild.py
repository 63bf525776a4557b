"""From nothing, the tiny pipeline gives the same bytes in any folder, by the flow or by DVC, tracked or not."""

from tests.conftest import TinyRuns


def test_every_output_has_the_same_hash_in_both_runs(tiny_runs: TinyRuns) -> None:
    by_flow, by_dvc = tiny_runs.by_flow.output_hashes(), tiny_runs.by_dvc.output_hashes()
    assert by_flow.keys() == by_dvc.keys()
    assert {path for path in by_flow if by_flow[path] != by_dvc[path]} == set()


def test_every_stage_recorded_its_outputs_in_both_runs(tiny_runs: TinyRuns) -> None:
    for project in (tiny_runs.by_flow, tiny_runs.by_dvc):
        assert list(project.lock()) == project.stages()


def test_the_record_of_both_runs_is_the_same_to_the_last_dependency(tiny_runs: TinyRuns) -> None:
    assert tiny_runs.by_flow.lock() == tiny_runs.by_dvc.lock()


def test_nothing_is_left_to_do_after_either(tiny_runs: TinyRuns) -> None:
    for project in (tiny_runs.by_flow, tiny_runs.by_dvc):
        assert project.run("dvc", "status", "--json") == (0, "{}\n")


def test_the_run_without_tracking_made_no_database(tiny_runs: TinyRuns) -> None:
    assert not (tiny_runs.by_dvc.folder / "mlflow.db").exists()

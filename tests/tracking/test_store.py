"""The MLflow database and where its runs keep their files, also after both have been moved."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from stages.tracking.store import EXPERIMENT, follow_move, open_store


def kept(client: MlflowClient, run_id: str, folder: Path) -> str:
    """Keep a small file with a run; its text is the folder's name."""
    file = folder / "note.txt"
    file.write_text(folder.name)
    client.log_artifact(run_id, str(file))
    return file.name


def locations(database: Path) -> tuple[str, str]:
    """Where the database says that the experiment and its run keep their files."""
    connection = sqlite3.connect(database)
    (experiment,) = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,))
    (run,) = connection.execute("SELECT artifact_uri FROM runs")
    connection.close()
    return experiment[0], run[0]


def test_in_a_moved_checkout_runs_old_and_new_keep_their_files_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{before}/mlflow.db")
    client, experiment = open_store()
    old = client.create_run(experiment).info.run_id
    kept(client, old, before)
    model = client.create_logged_model(experiment, "model", old).model_id
    client.create_registered_model("model")
    client.create_model_version("model", f"models:/{model}", old, model_id=model)
    shutil.copytree(before, after)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{after}/mlflow.db")
    client, experiment = open_store()
    new = client.create_run(experiment).info.run_id
    name = kept(client, new, after)
    assert (after / "mlartifacts" / new / "artifacts" / name).read_text() == "after"
    assert [folder.name for folder in (before / "mlartifacts").iterdir()] == [old]
    assert client.get_logged_model(model).artifact_location.startswith(f"{after}/")
    assert client.get_model_version_download_uri("model", "1").startswith(f"{after}/")
    shutil.rmtree(before)
    assert [file.path for file in client.list_artifacts(old)] == [name]


@pytest.mark.parametrize("chosen", ["s3://bucket/mlartifacts", "/shared/artifacts"])
def test_a_place_that_the_user_has_chosen_is_left_alone(tmp_path: Path, chosen: str) -> None:
    database = tmp_path / "mlflow.db"
    client = MlflowClient(f"sqlite:///{database}")
    client.create_run(client.create_experiment(EXPERIMENT, artifact_location=chosen))
    before = locations(database)
    follow_move(database, chosen)
    assert locations(database) == before

"""Where runs are kept: the MLflow database and the one experiment; `python -m stages.tracking.store` creates both.

Set-up creates them once, because two processes that first touch a new SQLite file at the same time break its migration.
"""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "headwater"
SQLITE = "sqlite:///"


def artifact_folder(uri: str) -> str | None:
    """`mlartifacts/` beside a SQLite database; None for a server, which knows its own place."""
    return str(Path(uri.removeprefix(SQLITE)).parent / "mlartifacts") if uri.startswith(SQLITE) else None


def open_store() -> "tuple[MlflowClient, str]":
    """A client of the store that `MLFLOW_TRACKING_URI` names, and the experiment's id, made where missing."""
    # Imported late: it takes seconds, and only the process that writes needs it.
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):  # after the import, which sets them itself
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = os.environ["MLFLOW_TRACKING_URI"]
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return client, experiment.experiment_id
    return client, client.create_experiment(EXPERIMENT, artifact_location=artifact_folder(uri))


if __name__ == "__main__":
    open_store()

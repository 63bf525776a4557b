"""Where runs are kept: the MLflow database and the one experiment; `python -m stages.tracking.store` creates both.

Set-up creates them once, because two processes that first touch a new SQLite file at the same time break its migration.
"""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import ExitCode
from stages.tracking.entries import reason

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "headwater"
SQLITE = "sqlite:///"
ARTIFACTS = "mlartifacts"


class StoreError(Exception):
    """A store that cannot be had, in one line."""


def database(uri: str) -> Path | None:
    """The file of a SQLite database; None for a server, which knows its own place."""
    return Path(uri.removeprefix(SQLITE)).resolve() if uri.startswith(SQLITE) else None


def open_store() -> "tuple[MlflowClient, str]":
    """A client of the store that `MLFLOW_TRACKING_URI` names, and the experiment's id, made where missing.

    Raises StoreError if there is no such store.
    """
    # Imported late: it takes seconds, and only the process that writes needs it.
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("alembic", "mlflow"):  # after the import, which sets them itself
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = os.environ["MLFLOW_TRACKING_URI"]
    file = database(uri)
    try:
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            location = str(file.with_name(ARTIFACTS)) if file else None
            return client, client.create_experiment(EXPERIMENT, artifact_location=location)
        return client, experiment.experiment_id
    except MlflowException as error:  # its trace would show the address
        raise StoreError(f"MLFLOW_TRACKING_URI names no store that answers: {reason(error)}") from None


if __name__ == "__main__":
    try:
        open_store()
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(ExitCode.CONFIGURATION)

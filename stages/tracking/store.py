"""Where runs are kept: the MLflow database and the one experiment; `python -m stages.tracking.store` creates both.

Set-up creates them once, because two processes that first touch a new SQLite file at the same time break its migration.
"""

import contextlib
import logging
import os
import sqlite3
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
PLACES = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Where the database holds absolute paths of artifacts."""
BUSY_SECONDS = 60.0
"""How long another process may hold the database."""


class StoreError(Exception):
    """A store that cannot be had, in one line."""


def database(uri: str) -> Path | None:
    """The file of a SQLite database; None for a server, which knows its own place."""
    return Path(uri.removeprefix(SQLITE)).resolve() if uri.startswith(SQLITE) else None


def follow_move(file: Path, recorded: str) -> None:
    """Let runs and models of a database that was moved lead to the artifacts beside it, and not to `recorded`.

    MLflow keeps absolute paths: runs would go on to be written into the folder that the checkout was copied from.
    """
    beside = str(file.with_name(ARTIFACTS))
    if recorded == beside or not recorded.endswith(f"/{ARTIFACTS}") or "://" in recorded:
        return  # where it was, or a place that the user has chosen
    with contextlib.closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection, connection:
        for table, column in PLACES:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1)"
                f" WHERE substr({column}, 1, length(?) + 1) = ? || '/'",
                (beside, recorded, recorded, recorded),
            )
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", (beside, EXPERIMENT))


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
        if file:
            follow_move(file, experiment.artifact_location)
        return client, experiment.experiment_id
    except MlflowException as error:  # its trace would show the address
        raise StoreError(f"MLFLOW_TRACKING_URI names no store that answers: {reason(error)}") from None


if __name__ == "__main__":
    try:
        open_store()
    except StoreError as error:
        print(error, file=sys.stderr)
        sys.exit(ExitCode.CONFIGURATION)

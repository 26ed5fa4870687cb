"""Changes MLflow runs in place to what a user amended, so that they keep MLflow's id.

MLflow never changes a param, and has no call that moves a run to another experiment. A database loses the
params that are no longer right. A tracking server keeps them, so that there a run is only changed in place if
all of its params stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mlflow.entities import RunTag

from legm.backends import portable
from legm.backends.mlflow import names
from legm.backends.mlflow.database_session import open_database_session
from legm.backends.mlflow.display import display_value
from legm.backends.mlflow.stores import MlflowArtifactStore
from legm.records import Run

__all__ = [
    "amended_description_tags",
    "amended_params_to_delete",
    "delete_amended_params",
    "rename_amended_mlflow_run",
    "rewrite_amended_run_file",
]

_RUN_NAME_TAG = "mlflow.runName"


def amended_params_to_delete(
    there: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]
) -> list[str]:
    """The params of an MLflow run that are no longer right; those that a user added stay.

    Args:
        there: the run's.
        before: those that legm gave it.
        after: those that it is to have.
    """
    return [
        key
        for key, value in there.items()
        if (key in before and key not in after) or after.get(key, value) != value
    ]


def delete_amended_params(store: Any, run_id: str, keys: Iterable[str]) -> None:
    """Delete params of a run from a database."""
    from mlflow.store.tracking.dbmodels.models import SqlParam
    from sqlalchemy import delete

    with open_database_session(store, read_only=False) as session:
        for key in keys:
            session.execute(delete(SqlParam).where(SqlParam.run_uuid == run_id, SqlParam.key == key))


def amended_description_tags(there: Mapping[str, str], before: Run, after: Run) -> dict[str, str | None]:
    """The tags of an MLflow run that change with its description; None deletes one. A user's note stays.

    Args:
        there: the tags that it has.
        before: the run as it was.
        after: as it is now.
    """
    if before.description == after.description:
        return {}
    shown = display_value(after.description) if after.description else None
    found: dict[str, str | None] = {
        names.DESCRIPTION_DIGEST_TAG: names.mlflow_description_digest(after.description)
    }
    if there.get(names.NOTE_TAG, "") == before.description:
        found[names.NOTE_TAG] = after.description or None
    found[names.DESCRIPTION_TAG] = shown
    return {name: value for name, value in found.items() if value is not None or name in there}


def rewrite_amended_run_file(files: MlflowArtifactStore, after: Run) -> None:
    """Change what may be amended in the file that holds the run, and nothing else in it."""
    try:
        data = files.read(portable.RUN_FILE)
    except FileNotFoundError:  # its process was killed while it began: opening it writes the file
        return
    with portable.checked_files(after.run_id):
        stored = portable.run_from(data)
    now = replace(
        stored,
        configuration=after.configuration,
        parameters=after.parameters,
        description=after.description,
    )
    files.write(portable.RUN_FILE, portable.run_json(now))


def rename_amended_mlflow_run(store: Any, mlflow_run: Any, before: str, after: str) -> None:
    """Give an MLflow run the name that legm gives it now, unless a user renamed it."""
    if mlflow_run.info.run_name == before and before != after:
        store.set_tag(mlflow_run.info.run_id, RunTag(_RUN_NAME_TAG, after))

"""Takes back points and texts of an MLflow run: later than a step, or replaced; reopens and deletes runs.

A database loses the rows. A tracking server cannot delete points: they stay, and are marked in a file of the
run (see :class:`legm.backends.portable.Rewound`) by the time at which they were set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlflow.entities import Metric, RunStatus

from legm.backends import portable
from legm.backends.mlflow import names
from legm.backends.mlflow.database_session import open_database_session
from legm.backends.mlflow.stores import MlflowArtifactStore

__all__ = [
    "can_rewind_points",
    "delete_mlflow_run_for_good",
    "delete_points_by_rewinding",
    "delete_replaced_mlflow_points",
    "delete_texts_by_rewinding",
    "is_rewindable_metric",
    "last_steps_before_rewinding",
    "newest_points_after_rewinding",
    "reopen_mlflow_run",
    "without_rewound_mlflow_points",
]

_STEPS_PER_STATEMENT = 500
_COLUMNS = {"run_uuid", "key", "value", "timestamp", "step", "is_nan"}


def is_rewindable_metric(key: str) -> bool:
    """Whether a metric's points have steps of the training: dev values and displays."""
    return key.startswith(names.REWINDABLE_METRICS)


def without_rewound_mlflow_points(metrics: list[Metric], step: int) -> list[Metric]:
    """The points without dev values and displays at a later step."""
    return [one for one in metrics if one.step <= step or not is_rewindable_metric(one.key)]


def _rewindable_metric_tables() -> tuple[Any, Any]:
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric

    return SqlMetric.__table__, SqlLatestMetric.__table__


def can_rewind_points(store: Any) -> bool:
    """Whether a store is a database with the tables that are known here."""
    return (
        hasattr(store, "engine")
        and hasattr(store, "ManagedSessionMaker")
        and all(
            {column.name for column in table.columns} == _COLUMNS for table in _rewindable_metric_tables()
        )
    )


def delete_mlflow_run_for_good(store: Any, run_id: str) -> None:
    """Delete a run from a database that MLflow has marked as deleted; a server does that by ``mlflow gc``."""
    delete = getattr(store, "_hard_delete_run", None)  # what MLflow's own gc calls
    if delete is not None:
        delete(run_id)


def delete_points_by_rewinding(store: Any, run_id: str, step: int) -> None:
    """Delete a run's dev values and displays at a later step from a database; repeating it is harmless."""
    from sqlalchemy import delete, insert, or_, select

    points, latest = _rewindable_metric_tables()

    def later(table: Any) -> Any:
        kinds = or_(*(table.c.key.startswith(prefix, autoescape=True) for prefix in names.REWINDABLE_METRICS))
        return (table.c.run_uuid == run_id) & (table.c.step > step) & kinds

    with open_database_session(store, read_only=False) as session:
        keys = [key for (key,) in session.execute(select(latest.c.key).where(later(latest)))]
        session.execute(delete(points).where(later(points)))
        session.execute(delete(latest).where(later(latest)))
        for key in keys:
            remaining = select(points).where(points.c.run_uuid == run_id, points.c.key == key)
            newest = remaining.order_by(
                points.c.step.desc(), points.c.timestamp.desc(), points.c.value.desc()
            ).limit(1)
            row = session.execute(newest).mappings().first()
            if row is not None:
                session.execute(insert(latest), [{name: row[name] for name in _COLUMNS}])


def newest_points_after_rewinding(metrics: list[Metric]) -> list[Metric]:
    """The points without those that a later one of the same metric and step replaces."""
    newest = {(one.key, one.step): one for one in metrics}
    if len(newest) == len(metrics):
        return metrics
    return [one for one in metrics if newest[one.key, one.step] is one]


def last_steps_before_rewinding(store: Any, run_id: str) -> dict[str, int]:
    """By metric, the largest step of a run's points in a database."""
    from sqlalchemy import select

    _, latest = _rewindable_metric_tables()
    with open_database_session(store, read_only=True) as session:
        rows = session.execute(select(latest.c.key, latest.c.step).where(latest.c.run_uuid == run_id))
        return {row.key: row.step for row in rows}


def delete_replaced_mlflow_points(store: Any, run_id: str, steps: Mapping[str, Sequence[int]]) -> None:
    """Delete a run's points at some steps from a database, since others replace them.

    Args:
        store: the store.
        run_id: MLflow's id of the run.
        steps: of each metric.
    """
    from sqlalchemy import delete

    with open_database_session(store, read_only=False) as session:
        for key, wanted in steps.items():
            for at in range(0, len(wanted), _STEPS_PER_STATEMENT):
                some = wanted[at : at + _STEPS_PER_STATEMENT]
                for table in _rewindable_metric_tables():
                    session.execute(
                        delete(table).where(
                            table.c.run_uuid == run_id, table.c.key == key, table.c.step.in_(some)
                        )
                    )


def _texts_to_rewind(files: MlflowArtifactStore, step: int) -> Iterator[str]:
    for name, _ in files.files(portable.TEXTS):
        number = name.rpartition("/")[2].removesuffix(".txt")
        if number.lstrip("-").isdigit() and int(number) > step:
            yield f"{portable.TEXTS}/{name}"


def delete_texts_by_rewinding(files: MlflowArtifactStore, step: int) -> frozenset[str]:
    """Delete a run's texts at a later step.

    Args:
        files: the run's artifacts.
        step: the last step that stays.

    Returns:
        the texts at a later step that cannot be deleted: only a folder on this machine is changed.
    """
    later = frozenset(_texts_to_rewind(files, step))
    if files.folder is None:
        return later
    for name in later:
        files.delete(name)
    return frozenset()


def reopen_mlflow_run(store: Any, run_id: str) -> None:
    """Show a run as running again; a database also loses the time of its end, which a server keeps."""
    store.update_run_info(run_id, RunStatus.RUNNING, None, None)
    if not hasattr(store, "engine"):
        return
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import update

    with open_database_session(store, read_only=False) as session:
        session.execute(update(SqlRun).where(SqlRun.run_uuid == run_id).values(end_time=None))

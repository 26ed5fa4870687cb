"""MLflow's words as legm's: what is the same whichever of its stores told it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from legm.errors import StorageError
from legm.importers.external import ExternalFile, ExternalRun, unreadable_run
from legm.importers.native_runs import restore_native_run, unescaped
from legm.importers.notes import Notes
from legm.importers.text_values import parse_value
from legm.records import Plain, Points, Status

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = ["DELETED", "MlflowRun", "external_run", "restore_infinities", "to_seconds"]

DELETED = "runs that are deleted in MLflow were left out; --deleted takes them"
_LARGEST = 1.7976931348623157e308
_STATUSES = {
    "FINISHED": Status.COMPLETED,
    "FAILED": Status.FAILED,
    "KILLED": Status.INTERRUPTED,
    "RUNNING": Status.RUNNING,
    "SCHEDULED": Status.RUNNING,
}
_BOOKKEEPING = {"configuration", "comparison"}


@dataclass(frozen=True, slots=True)
class MlflowRun:
    """A run as a store of MLflow's tells it; times in milliseconds since 1970."""

    run_id: str
    experiment: str
    experiment_id: str
    name: str
    status: str
    start_time: int | None
    end_time: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    details: Mapping[str, Plain] = field(default_factory=dict)


def restore_infinities(values: FloatArray) -> FloatArray:
    """The values with infinities for the largest float, which MLflow's databases keep in their place."""
    import numpy as np

    return np.where(np.abs(values) == _LARGEST, np.copysign(np.inf, values), values)


def to_seconds(times: FloatArray) -> FloatArray:
    """Times of points in seconds: MLflow counts milliseconds, but its first versions counted seconds."""
    import numpy as np

    return np.where(times < 1e11, times, times / 1000)


def external_run(
    told: MlflowRun,
    points: Callable[[], Iterator[Points]],
    files: Callable[[], Iterable[ExternalFile]],
    notes: Notes,
) -> ExternalRun | None:
    """What a store told as a run; None for what legm keeps beside its runs.

    Args:
        told: the run.
        points: its numbers, under MLflow's names.
        files: its artifacts.
        notes: takes what is left out.
    """
    kind = told.tags.get("legm.kind")
    if kind in _BOOKKEEPING:
        notes.add("entries that legm keeps beside its runs in MLflow were left out", told.run_id)
        return None
    if kind == "run":
        try:
            return restore_native_run(_as_external_run(told, points, files), "MLflow", notes, unescaped)
        except StorageError as error:
            return unreadable_run(told.run_id, told.experiment, error)
    return _as_external_run(told, points, files)


def _as_external_run(
    told: MlflowRun, points: Callable[[], Iterator[Points]], files: Callable[[], Iterable[ExternalFile]]
) -> ExternalRun:
    details: dict[str, Any] = {"experiment_id": told.experiment_id, "status": told.status, **told.details}
    ended = None if told.end_time is None else told.end_time / 1000
    started = told.start_time / 1000 if told.start_time is not None else ended or 0.0
    return ExternalRun(
        key=told.run_id,
        experiment=told.experiment,
        name=told.name or told.tags.get("mlflow.runName", ""),
        parameters={name: parse_value(text) for name, text in told.params.items()},
        tags=told.tags,
        status=_STATUSES.get(told.status, Status.RUNNING),
        started=started,
        ended=ended,
        error=None,
        records=points,
        files=files,
        details=details,
    )

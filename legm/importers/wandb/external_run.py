"""W&B's words as legm's: what is the same for folders and for a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from legm.core import points as columns
from legm.errors import StorageError
from legm.importers.external import ExternalFile, ExternalRun, unreadable_run
from legm.importers.native_runs import restore_native_run
from legm.importers.notes import Notes
from legm.records import BestRule, Display, Points, Series, Split, Status

__all__ = [
    "INTERNAL_ARTIFACT_TYPES",
    "UNCATEGORIZED",
    "WandbRun",
    "external_run",
    "status_from_exit_code",
    "summary_numbers",
]

UNCATEGORIZED = "uncategorized"
"""W&B's project of runs that have none."""

INTERNAL_ARTIFACT_TYPES = ("run_table", "job", "wandb-")
"""How the types of artifacts begin that W&B makes by itself."""

_NATIVE_STEP = Series("legm/step")
_BOOKKEEPING = {"aggregate", "comparison"}
_STEP_LIMIT = 2**62
_KILLED = 255  # the exit code of a run that was interrupted at the keyboard


@dataclass(frozen=True, slots=True)
class WandbRun:
    """A run as W&B tells it, but for its numbers and its files.

    Args:
        run_id, project, entity, name, group, job_type, notes: W&B's; "" for none.
        tags: W&B's.
        status, error: how it ended.
        started, ended: seconds since 1970.
        parameters: its configuration, flat.
        summary: what the script set in the summary itself, flat.
        origin: what else is known of where it comes from.
    """

    run_id: str
    project: str
    entity: str
    name: str
    group: str
    job_type: str
    notes: str
    tags: tuple[str, ...]
    status: Status
    error: str | None
    started: float
    ended: float | None
    parameters: Mapping[str, Any]
    summary: Mapping[str, Any]
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Entity, project and id."""
        return "/".join(filter(None, (self.entity, self.project or UNCATEGORIZED, self.run_id)))


def status_from_exit_code(exit_code: int | None) -> tuple[Status, str | None]:
    """How a run ended, by its exit code; None where it has not."""
    if exit_code is None:
        return Status.RUNNING, None
    if exit_code == 0:
        return Status.COMPLETED, None
    status = Status.INTERRUPTED if exit_code == _KILLED else Status.FAILED
    return status, f"it ended with exit code {exit_code}"


def external_run(
    told: WandbRun,
    records: Callable[[], Iterator[Points | Display | BestRule]],
    files: Callable[[], Iterable[ExternalFile]],
    own_files: Callable[[], Iterable[ExternalFile]],
    notes: Notes,
) -> ExternalRun | None:
    """What W&B told as a run; None for what legm keeps beside its runs.

    Args:
        told: the run.
        records: its numbers at W&B's steps, and the rest.
        files: its files, and those of its artifacts.
        own_files: the files of a run that legm wrote.
        notes: takes what is left out.
    """
    if "legm_experiment" in told.parameters and told.job_type in _BOOKKEEPING:
        notes.add("entries that legm keeps beside its runs in W&B were left out", told.key)
        return None
    if "legm_run" not in told.parameters:
        return _as_external_run(told, records, files)
    native = replace(
        # A run without a result was left, and W&B's exit code says no more than that.
        _as_external_run(replace(told, status=Status.RUNNING, error=None), records, own_files),
        records=lambda: _at_native_steps(records()),
    )
    try:
        return restore_native_run(native, "W&B", notes)
    except StorageError as error:
        return unreadable_run(told.key, told.project, error)


def _as_external_run(
    told: WandbRun,
    records: Callable[[], Iterator[Points | Display | BestRule]],
    files: Callable[[], Iterable[ExternalFile]],
) -> ExternalRun:
    texts = {name: value for name, value in told.summary.items() if not isinstance(value, (int, float))}
    details = {
        "entity": told.entity,
        "group": told.group,
        "job_type": told.job_type,
        "notes": told.notes,
        "summary": {name: value for name, value in texts.items() if not _is_file_reference(value)},
        **told.origin,
    }
    return ExternalRun(
        key=told.key,
        experiment=told.project or UNCATEGORIZED,
        name=told.name,
        parameters=told.parameters,
        tags=dict.fromkeys(told.tags, ""),
        status=told.status,
        started=told.started,
        ended=told.ended,
        error=told.error,
        records=records,
        files=files,
        details={name: value for name, value in details.items() if value not in ("", {}, [])},
        description=told.job_type,
    )


def _is_file_reference(value: Any) -> bool:
    return isinstance(value, dict) and "_type" in value


def summary_numbers(summary: Mapping[str, Any], step: int | None, time: float) -> Iterator[Points]:
    """The numbers that the script set in the summary, as test values."""
    found = {
        Series(name, Split.TEST): float(value)
        for name, value in summary.items()
        if isinstance(value, (int, float))
    }
    if found:
        steps = np.array([step or 0], np.int64)
        yield columns.points_from_blocks(
            [(tuple(found), steps, np.array([time]), np.array([[*found.values()]]))]
        )


def _at_native_steps(records: Iterable[Points | Display | BestRule]) -> Iterator[Points]:
    """A run's numbers at the steps that legm logged beside them; W&B's own count rows."""
    found = dict(columns.columns_by_series(record for record in records if isinstance(record, Points)))
    if _NATIVE_STEP not in found:
        yield columns.points_from_columns(found, lambda series: series)
        return
    rows, _, steps = found.pop(_NATIVE_STEP)
    order = np.argsort(rows, kind="stable")
    order = order[np.abs(steps[order]) < _STEP_LIMIT]
    rows, steps = rows[order], steps[order].astype(np.int64)
    if not len(rows):
        return
    moved = {}
    for series, (at, times, values) in found.items():
        positions = np.searchsorted(rows, at)
        known = rows[np.minimum(positions, len(rows) - 1)] == at
        moved[series] = (steps[positions[known]], times[known], values[known])
    yield columns.points_from_columns(moved, lambda series: series)

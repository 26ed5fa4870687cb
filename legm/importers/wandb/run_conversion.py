"""W&B runs as external runs: what local folders and a server have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from legm.backends.portable import Rewound
from legm.backends.wandb import names
from legm.core import point_columns as columns
from legm.core.run_marks import marks_from_texts
from legm.core.step_metrics import MetricDefinitions, steps_of_step_metrics
from legm.core.system_names import SYSTEM_PREFIX, is_system_name
from legm.errors import StorageError
from legm.importers.external_origin import external_origin, origin_in_files
from legm.importers.external_run import ExternalFile, ExternalRun, unreadable_run
from legm.importers.import_notes import ROUNDED, ImportNotes
from legm.importers.labels import Label, LabelKind, last_label_part
from legm.importers.native_runs import (
    native_columns_without_rewound,
    restore_native_run,
    rewound_in_native_run,
)
from legm.importers.wandb.history_rows import history_number, is_history_rounded
from legm.records import BestRule, Display, Plain, Points, Series, Split, Status

if TYPE_CHECKING:
    from legm.records import FloatArray

__all__ = [
    "INTERNAL_ARTIFACT_TYPES",
    "UNCATEGORIZED",
    "ExternalWandbRun",
    "WandbRecord",
    "convert_wandb_exit_code",
    "convert_wandb_run",
    "note_rounded_wandb_run",
    "wandb_summary_numbers",
]

UNCATEGORIZED = "uncategorized"
"""W&B's project for runs that have none."""

INTERNAL_ARTIFACT_TYPES = ("run_table", "job", "wandb-")
"""Prefixes of the types of artifacts that W&B creates by itself."""

WandbRecord: TypeAlias = "Points | Display | BestRule | MetricDefinitions"
"""What a source reads of a run: its definitions come first, and are complete when all else was read."""

_GENERATED_ID = re.compile(r"[a-z0-9]{8}")
_NATIVE_STEP = Series(names.STEP_KEY)
_STEP_LIMIT = 2**62
_KILLED = 255  # the exit code after a keyboard interrupt


@dataclass(frozen=True, slots=True)
class ExternalWandbRun:
    """A run as W&B describes it, without its numbers and files.

    Args:
        run_id, project, entity, name, group, job_type, notes: W&B's texts; "" for none.
        tags: its tags.
        status, error: how it ended.
        started, ended: seconds since 1970.
        parameters: its flattened configuration.
        summary: the flattened values that the script itself set in the summary.
        origin: further facts about where it comes from.
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


def convert_wandb_exit_code(exit_code: int | None) -> tuple[Status, str | None]:
    """The status and error for an exit code; None means that the run has not ended."""
    if exit_code is None:
        return Status.RUNNING, None
    if exit_code == 0:
        return Status.COMPLETED, None
    status = Status.INTERRUPTED if exit_code == _KILLED else Status.FAILED
    return status, f"it ended with exit code {exit_code}"


def convert_wandb_run(
    run: ExternalWandbRun,
    records: Callable[[], Iterator[WandbRecord]],
    files: Callable[[], Iterable[ExternalFile]],
    own_files: Callable[[], Iterable[ExternalFile]],
    notes: ImportNotes,
) -> ExternalRun | None:
    """The external run for a W&B run; None for bookkeeping that legm stores next to its runs.

    Args:
        run: the W&B run.
        records: its numbers at W&B's steps, and the other records.
        files: its files, and those of its artifacts.
        own_files: the files of a native run.
        notes: collects what is left out.
    """
    if names.EXPERIMENT_KEY in run.parameters and run.job_type in names.COMPUTED_JOBS:
        notes.add("legm's own bookkeeping entries in W&B were left out", run.key)
        return None
    if names.RUN_KEY not in run.parameters:
        return _as_converted_wandb_run(run, records, files)
    native = replace(
        # A native run without a result was interrupted, whatever W&B's exit code says.
        _as_converted_wandb_run(replace(run, status=Status.RUNNING, error=None), records, own_files),
        records=lambda: _converted_at_native_steps(
            records(), lambda: rewound_in_native_run(own_files(), run.key, "W&B")
        ),
    )
    try:
        return restore_native_run(native, "W&B", notes)
    except StorageError as error:
        return unreadable_run(run.key, run.project, error)


def _converted_run_origin(run: ExternalWandbRun) -> dict[str, Plain]:
    known = run.origin
    git, arguments = known.get("git"), known.get("args")
    git = git if isinstance(git, dict) else {}
    return external_origin(
        script=known.get("program", ""),
        arguments=arguments if isinstance(arguments, list) else [],
        commit=git.get("commit", ""),
        remote=git.get("remote", ""),
        others={name: known[name] for name in ("host", "os", "python") if isinstance(known.get(name), str)},
    )


def _as_converted_wandb_run(
    run: ExternalWandbRun,
    records: Callable[[], Iterator[WandbRecord]],
    files: Callable[[], Iterable[ExternalFile]],
) -> ExternalRun:
    texts = {name: value for name, value in run.summary.items() if not isinstance(value, (int, float))}
    details = {
        "entity": run.entity,
        "group": run.group,
        "job_type": run.job_type,
        "notes": run.notes,
        "summary": {name: value for name, value in texts.items() if not _is_converted_file_reference(value)},
        **run.origin,
    }
    return ExternalRun(
        key=run.key,
        experiment=run.project or UNCATEGORIZED,
        name=run.name,
        parameters=run.parameters,
        tags=dict.fromkeys(run.tags, ""),
        marks=marks_from_texts(run.tags, run.notes),
        status=run.status,
        started=run.started,
        ended=run.ended,
        error=run.error,
        records=lambda: _converted_at_step_metrics(records()),
        counted_metrics=lambda: _converted_counted_metrics(records()),
        files=files,
        details={name: value for name, value in details.items() if value not in ("", {}, [])},
        origin=lambda: origin_in_files(files, _converted_run_origin(run)),
        description=run.job_type,
        labels=_converted_run_labels(run),
    )


def _converted_run_labels(run: ExternalWandbRun) -> dict[str, Label]:
    """What may distinguish a run besides its configuration; W&B may call a run by the id that it made up."""
    git = run.origin.get("git")
    commit = git.get("commit") if isinstance(git, dict) else run.origin.get("commit")
    program = str(run.origin.get("program") or "")  # "<python with no main file>" where there is no script
    is_made_up = run.name == run.run_id and _GENERATED_ID.fullmatch(run.run_id) is not None
    found = {
        "wandb.name": Label(LabelKind.NAME, "" if is_made_up else run.name),
        "wandb.group": Label(LabelKind.GROUP, run.group),
        "wandb.job_type": Label(LabelKind.GROUP, run.job_type),
        "wandb.tags": Label(LabelKind.TAG, sorted(run.tags)),
        "wandb.program": Label(LabelKind.SCRIPT, "" if program.startswith("<") else last_label_part(program)),
        "wandb.commit": Label(LabelKind.COMMIT, str(commit or "")),
    }
    return {name: label for name, label in found.items() if label.value}


def _is_converted_file_reference(value: Any) -> bool:
    return isinstance(value, dict) and "_type" in value


def wandb_summary_numbers(summary: Mapping[str, Any], step: int | None, time: float) -> Iterator[Points]:
    """The numbers that the script set in the summary, as test values."""
    found = {
        Series(name, Split.TEST): history_number(value)
        for name, value in summary.items()
        if isinstance(value, (int, float))
    }
    if found:
        steps = np.array([step or 0], np.int64)
        yield columns.points_from_blocks(
            [(tuple(found), steps, np.array([time]), np.array([[*found.values()]]))]
        )


def note_rounded_wandb_run(
    notes: ImportNotes, run: str, metrics: Iterable[str], summary: Mapping[str, Any]
) -> None:
    """Note which numbers lost digits.

    Args:
        notes: collects them.
        run: the run's key or log.
        metrics: those of the history.
        summary: the values that the script set in the summary.
    """
    for name in sorted({*metrics, *(name for name, value in summary.items() if is_history_rounded(value))}):
        notes.add(ROUNDED, f"{name} of {run}")


def _converted_at_step_metrics(records: Iterable[WandbRecord]) -> Iterator[Points | Display | BestRule]:
    """A run's numbers at the steps that its script counts, where it says which metric does."""
    definitions = MetricDefinitions()
    points: list[Points] = []
    for record in records:
        if isinstance(record, MetricDefinitions):
            definitions = record
        elif not isinstance(record, Points):
            yield record
        elif definitions.has_step_metrics or points:
            points.append(record)
        else:
            yield record
    if points:
        found = columns.columns_by_series(points)
        moved = steps_of_step_metrics(found, definitions.step_metric)
        yield columns.points_from_columns(moved, lambda series: series)


def _converted_counted_metrics(records: Iterable[WandbRecord]) -> frozenset[str]:
    """The metrics whose steps are counted by another one, instead of being the numbers of W&B's rows."""
    definitions = MetricDefinitions()
    points: list[Points] = []
    for record in records:
        if isinstance(record, MetricDefinitions):
            definitions = record
        elif isinstance(record, Points):
            points.append(record)
    found = columns.columns_by_series(points)
    moved = steps_of_step_metrics(found, definitions.step_metric)
    return frozenset(series.name for series in moved if moved[series][0] is not found[series][0])


def _converted_at_native_steps(
    records: Iterable[WandbRecord], rewound: Callable[[], Rewound]
) -> Iterator[Points]:
    """A run's numbers at the steps that legm logged with them; W&B's own steps count rows.

    Args:
        records: the run's, at W&B's steps.
        rewound: reads which of the numbers are void.
    """
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
    void, moved, rows_of = rewound(), {}, {}
    for series, (at, times, values) in found.items():
        positions = np.searchsorted(rows, at)
        known = rows[np.minimum(positions, len(rows) - 1)] == at
        own, numbers = _converted_native_display(series, values)
        moved[own] = (steps[positions[known]], times[known], numbers[known])
        rows_of[own] = at[known]
    counted = native_columns_without_rewound(moved, void, rows_of)
    yield columns.points_from_columns(counted, lambda series: series)


def _converted_native_display(series: Series, values: FloatArray) -> tuple[Series, FloatArray]:
    """A system metric as legm recorded it, for one with W&B's name and unit; anything else as it is."""
    if not is_system_name(series.name):
        return series, values
    name, numbers = names.system_metric_from_wandb(series.name.removeprefix(SYSTEM_PREFIX), values)
    return replace(series, name=name), numbers

"""MLflow runs as external runs: what all of MLflow's stores have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from legm.backends.mlflow import names
from legm.core.naming import unescape_name
from legm.core.point_columns import columns_by_series, points_from_columns
from legm.core.system_names import is_system_name
from legm.core.value_parsing import parse_value_text
from legm.errors import StorageError
from legm.importers.external_origin import external_origin
from legm.importers.external_run import ExternalFile, ExternalRun, unreadable_run
from legm.importers.import_notes import PERHAPS_ROUNDED, ImportNotes
from legm.importers.labels import Label, LabelKind, last_label_part, tag_labels
from legm.importers.mlflow.stepped_images import with_stepped_images
from legm.importers.native_runs import (
    native_columns_without_rewound,
    restore_native_run,
    rewound_in_native_run,
)
from legm.records import Display, Plain, Points, Status
from legm.runlog.recorded_values import EXACT

if TYPE_CHECKING:
    from legm.records import FloatArray, IntArray

__all__ = [
    "DELETED",
    "ExternalMlflowRun",
    "convert_mlflow_run",
    "mlflow_to_seconds",
    "restore_mlflow_infinities",
]

DELETED = "runs that are deleted in MLflow were left out; --deleted includes them"
_DEFAULT_DATA = "dataset"  # MLflow's name for data that the script did not name
_MAX_WHOLE = 2.0**64  # what is larger was hardly a whole number
_FAR = 10**18  # ms: beyond any calendar
_LARGEST = 1.7976931348623157e308
_STATUSES = {
    "FINISHED": Status.COMPLETED,
    "FAILED": Status.FAILED,
    "KILLED": Status.INTERRUPTED,
    "RUNNING": Status.RUNNING,
    "SCHEDULED": Status.RUNNING,
}


@dataclass(frozen=True, slots=True)
class ExternalMlflowRun:
    """A run as an MLflow store describes it; times in milliseconds since 1970."""

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


def restore_mlflow_infinities(values: FloatArray) -> FloatArray:
    """Turn the largest float back into infinity, which MLflow's databases store that way."""
    import numpy as np

    return np.where(np.abs(values) == _LARGEST, np.copysign(np.inf, values), values)


def mlflow_to_seconds(times: FloatArray) -> FloatArray:
    """Times in seconds: MLflow stores milliseconds, but its first versions stored seconds."""
    import numpy as np

    return np.where(times < 1e11, times, times / 1000)


def convert_mlflow_run(
    run: ExternalMlflowRun,
    points: Callable[[], Iterator[Points]],
    files: Callable[[], Iterable[ExternalFile]],
    notes: ImportNotes,
) -> ExternalRun | None:
    """The external run for an MLflow run; None for bookkeeping that legm stores next to its runs.

    Args:
        run: the MLflow run.
        points: its numbers under MLflow's names.
        files: its artifacts.
        notes: collects what is left out.
    """
    kind = run.tags.get(names.KIND_TAG)
    if kind in names.COMPUTED_KINDS:
        notes.add("legm's own bookkeeping entries in MLflow were left out", run.run_id)
        return None
    if kind == names.RUN_KIND:
        native = replace(
            _as_converted_mlflow_run(run, points, files),
            records=lambda: _converted_points_that_count(run, points(), files()),
        )
        try:
            return restore_native_run(native, "MLflow", notes, unescape_name)
        except StorageError as error:
            return unreadable_run(run.run_id, run.experiment, error)
    return _as_converted_mlflow_run(
        run,
        lambda: _converted_system_displays(_noting_large_mlflow_numbers(run.run_id, points(), notes)),
        lambda: with_stepped_images(files()),
    )


def _converted_system_displays(batches: Iterable[Points]) -> Iterator[Points | Display]:
    """Points of which MLflow's system metrics are displays."""
    for points in batches:
        names_of_system = {one for layout in points.layouts for one in layout if is_system_name(one.name)}
        if not names_of_system:
            yield points
            continue
        found = columns_by_series([points])
        others = {one: columns for one, columns in found.items() if one not in names_of_system}
        if others:
            yield points_from_columns(others, lambda series: series)
        for series in found.keys() & names_of_system:
            for step, time, value in zip(*(column.tolist() for column in found[series]), strict=True):
                yield Display(series.name, value, step, time)


def _noting_large_mlflow_numbers(
    run_id: str, points: Iterable[Points], notes: ImportNotes
) -> Iterator[Points]:
    """Points as they are; whole numbers that MLflow may have rounded when it stored them are noted."""
    import numpy as np

    for batch in points:
        if np.any((np.abs(batch.values) >= EXACT) & (np.abs(batch.values) < _MAX_WHOLE)):
            for layout, _, _, values in batch.blocks():
                size = np.abs(values)
                for at in np.flatnonzero(((size >= EXACT) & (size < _MAX_WHOLE)).any(axis=0)):
                    notes.add(PERHAPS_ROUNDED, f"{layout[at].name} of {run_id}")
        yield batch


def _converted_points_that_count(
    run: ExternalMlflowRun, points: Iterator[Points], files: Iterable[ExternalFile]
) -> Iterator[Points]:
    """The numbers of a native run without those that it was rewound behind on a server."""
    if names.REWOUND_TAG not in run.tags:
        yield from points
        return
    rewound = rewound_in_native_run(files, run.run_id, "MLflow")
    found = columns_by_series(points)
    positions = {series: _converted_milliseconds(times) for series, (_, times, _) in found.items()}
    yield points_from_columns(
        native_columns_without_rewound(found, rewound, positions), lambda series: series
    )


def _converted_milliseconds(times: FloatArray) -> IntArray:
    import numpy as np

    return np.rint(np.clip(times * 1000, -_FAR, _FAR)).astype(np.int64)


def _as_converted_mlflow_run(
    run: ExternalMlflowRun,
    points: Callable[[], Iterator[Points | Display]],
    files: Callable[[], Iterable[ExternalFile]],
) -> ExternalRun:
    details: dict[str, Any] = {"experiment_id": run.experiment_id, "status": run.status, **run.details}
    ended = None if run.end_time is None else _mlflow_time_to_seconds(run.end_time)
    started = _mlflow_time_to_seconds(run.start_time) if run.start_time is not None else ended or 0.0
    return ExternalRun(
        key=run.run_id,
        experiment=run.experiment,
        name=run.name or run.tags.get("mlflow.runName", ""),
        parameters={name: parse_value_text(text) for name, text in run.params.items()},
        tags=run.tags,
        marks=names.marks_from_mlflow_tags(run.tags),
        status=_STATUSES.get(run.status, Status.RUNNING),
        started=started,
        ended=ended,
        error=None,
        records=points,
        files=files,
        details=details,
        origin=lambda: _converted_run_origin(run),
        labels=_converted_run_labels(run),
    )


def _converted_run_origin(run: ExternalMlflowRun) -> dict[str, Plain]:
    tags = run.tags
    name = tags.get(names.SOURCE_NAME_TAG) or run.details.get("source_name", "")
    is_notebook = tags.get(names.SOURCE_TYPE_TAG) == "NOTEBOOK"
    return external_origin(
        script="" if is_notebook else name,
        commit=tags.get(names.GIT_COMMIT_TAG) or run.details.get("source_version", ""),
        branch=tags.get(names.GIT_BRANCH_TAG, ""),
        remote=tags.get(names.GIT_REMOTE_TAG, ""),
        others={"notebook": {"path": name}} if is_notebook and name else None,
    )


def _converted_run_labels(run: ExternalMlflowRun) -> dict[str, Label]:
    """What may distinguish a run besides its params, named like MLflow's tags and searches."""
    tags = run.tags
    found = {"mlflow.runName": Label(LabelKind.NAME, run.name or tags.get("mlflow.runName", ""))}
    found |= tag_labels(tags)
    inputs = run.details.get("inputs")
    data = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    names = {str(one.get("name") or "") for one in data} - {"", _DEFAULT_DATA}
    digests = {str(one.get("digest") or "") for one in data} - {""}
    found["mlflow.dataset"] = Label(LabelKind.DATA, sorted(names))
    found["mlflow.dataset.digest"] = Label(LabelKind.DIGEST, ", ".join(sorted(digests)))
    script = tags.get("mlflow.source.name") or str(run.details.get("source_name", ""))
    found["mlflow.source.name"] = Label(LabelKind.SCRIPT, last_label_part(script))
    commit = tags.get("mlflow.source.git.commit") or str(run.details.get("source_version", ""))
    found["mlflow.source.git.commit"] = Label(LabelKind.COMMIT, commit)
    return {name: label for name, label in found.items() if label.value}


def _mlflow_time_to_seconds(milliseconds: int) -> float:
    """A time in seconds; a damaged one may have more digits than a float."""
    return min(max(milliseconds, -_FAR), _FAR) / 1000

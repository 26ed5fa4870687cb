"""Runs as a table for analysis: a row for each run, or a row for each value."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from legm.core.naming import best_key
from legm.core.results import last_test_results, ordered_dev_results, result_records
from legm.errors import LegmError, closest, storage_error
from legm.export.export_report import Exported, Report, State
from legm.export.selected_source import selected_source
from legm.export.sources import ExportSource, LoadedRun, UnavailableRun
from legm.export.table_columns import TypedColumn, typed_column
from legm.export.table_writers import TableWriter, table_writer_for
from legm.export.to_backend import export_source_of
from legm.records import RunResult, Series
from legm.stats.value_choice import exact_choice_text
from legm.util.progress import show_progress

__all__ = ["ROWS", "export_table"]

ROWS = ("runs", "points")
"""What a row can stand for."""

_RUN_COLUMNS = {
    "experiment": str,
    "configuration": str,
    "fingerprint": str,
    "description": str,
    "run_id": str,
    "status": str,
    "started": float,
    "ended": float,
    "error": str,
    "points": int,
    "last_step": int,
    "best_step": int,
    "step_choice": str,
    "tags": str,
    "note": str,
}
_POINT_COLUMNS = {
    "run_id": str,
    "metric": str,
    "split": str,
    "index": str,
    "step": int,
    "value": float,
    "time": float,
}


def export_table(
    root: str | os.PathLike[str],
    path: str | os.PathLike[str],
    rows: str = "runs",
    *,
    source: object = "local",
    source_options: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    where: str | Sequence[str] | None = None,
) -> Report:
    """Write every run that has ended to a table, which replaces an existing file atomically.

    Args:
        root: the folder of the runs: a root directory, or an experiment or a configuration in it.
        path: the file; its name ends in .csv or .parquet.
        rows: "runs" for a row a run, with its parameters, best and test values; "points" for a row for each
            value of each series.
        source: the backend that stores the runs.
        source_options: its options.
        experiment: only the runs of this one; for a source whose runs are not found by a folder's path.
        where: selects configurations and runs as ``--where`` does; None for all.

    Returns:
        how many runs and values were written, and the problems of single runs.

    Raises:
        LegmError: there are no runs, or pyarrow is needed but not installed. Problems of single runs are in
            the report.
        StorageError: the file cannot be written.
    """
    if rows not in ROWS:
        raise LegmError(f"a table cannot have rows of {rows!r}; {closest(rows, ROWS)}")
    target = Path(path)
    make = table_writer_for(target)
    found, _ = export_source_of(root, source, source_options or {}, experiment, series=rows == "points")
    runs = _TableRuns(selected_source(found, where), f"writing {target.name}")
    temporary = target.with_name(f".{secrets.token_hex(8)}")
    try:
        if rows == "points":
            _write_point_table(make, temporary, runs)
        else:
            _write_run_table(make, temporary, runs)
        temporary.replace(target)
    except OSError as cause:
        raise storage_error("write", target, cause) from cause
    finally:
        temporary.unlink(missing_ok=True)
    return Report(str(target), runs.states, runs.points, 0, 0, tuple(runs.reported))


class _TableRuns:
    """The ended runs of a source, each once; counts the states of all, and collects what to report."""

    def __init__(self, source: ExportSource, title: str) -> None:
        self._source = source
        self._title = title
        self.states: Counter[State] = Counter()
        self.points = 0
        self.reported: list[Exported] = []

    def __iter__(self) -> Iterator[LoadedRun]:
        seen: set[str] = set()
        runs = (one for group in self._source.configurations() for one in group.runs)
        for one in show_progress(runs, self._title, self._source.number_of_runs):
            if isinstance(one, UnavailableRun):
                state = State.RUNNING if one.is_running else State.MISSING
                self.reported.append(Exported(one.where, state, 0, one.reason))
            elif one.result.run.run_id in seen:
                continue
            else:
                seen.add(one.result.run.run_id)
                state = State.DELIVERED
                self.points += one.result.points
                if one.note:
                    self.reported.append(Exported(str(one.folder), state, one.result.points, one.note))
            self.states[state] += 1
            if isinstance(one, LoadedRun):
                yield one


def _write_run_table(make: type[TableWriter], path: Path, runs: _TableRuns) -> None:
    rows = [_run_table_row(one) for one in runs]
    found = {name for row in rows for name in row}.difference(_RUN_COLUMNS)
    columns = [TypedColumn(name, kind) for name, kind in _RUN_COLUMNS.items()]
    for prefix in ("param.", "best_", "test_"):
        names = sorted(name for name in found if name.startswith(prefix))
        columns += [typed_column(name, (row.get(name) for row in rows)) for name in names]
    with make(path, columns) as writer:
        for at in range(0, len(rows), 1000):
            chunk = rows[at : at + 1000]
            writer.write([[column.cell(row.get(column.name)) for row in chunk] for column in columns])


def _run_table_row(one: LoadedRun) -> dict[str, Any]:
    result, run = one.result, one.result.run
    configuration = run.configuration
    parameters = {**configuration.parameters, **run.parameters}
    return {
        "experiment": configuration.experiment,
        "configuration": one.folder.name if one.folder is not None else configuration.name,
        "fingerprint": configuration.fingerprint,
        "description": run.description,
        "run_id": run.run_id,
        "status": result.status.value,
        "started": run.started,
        "ended": result.ended,
        "error": result.error,
        "points": result.points,
        "last_step": result.last_step,
        "best_step": result.best_step,
        "step_choice": exact_choice_text(result.rule) if result.best else None,
        "tags": ",".join(result.marks.tags) or None,
        "note": result.marks.note or None,
        **{f"param.{name}": value for name, value in parameters.items()},
        **{best_key(series.name): value for series, value in _unindexed_table_series(result.best)},
        **{f"test_{series.name}": value for series, value in _unindexed_table_series(result.test)},
    }


def _unindexed_table_series(values: Mapping[Series, float]) -> Iterator[tuple[Series, float]]:
    """Without the series of indexed metrics, which may have one value for each of thousands of examples."""
    return ((series, value) for series, value in values.items() if series.index is None)


def _write_point_table(make: type[TableWriter], path: Path, runs: _TableRuns) -> None:
    columns = [TypedColumn(name, kind) for name, kind in _POINT_COLUMNS.items()]
    text = TypedColumn("", str)
    with make(path, columns) as writer:
        for one in runs:
            run_id = text.cell(one.result.run.run_id)
            for series, steps, values, times in _series_table_columns(one):
                count = len(values)
                labels = [run_id, series.name, series.split.value, series.index]
                cells = [[text.cell(label)] * count for label in labels]
                writer.write([*cells, steps, values, times])


def _series_table_columns(one: LoadedRun) -> Iterator[tuple[Series, list[Any], list[float], list[Any]]]:
    """Each series with its steps, values and times; None for a step or time that is unknown."""
    result: RunResult = one.result
    if one.log is None:
        for series, history in result.histories.items():
            yield series, history.steps.tolist(), history.values.tolist(), [None] * len(history.steps)
        for series, value in result.test.items():
            yield series, [None], [value], [None]
        return
    records = result_records(one.records, result.status)
    for points in ordered_dev_results(records):
        yield points.layouts[0][0], points.steps.tolist(), points.values.tolist(), points.times.tolist()
    for series, time, value in last_test_results(records):
        yield series, [None], [value], [time]

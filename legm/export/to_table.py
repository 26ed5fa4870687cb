"""Runs as a table for analysis: a row for each run, or a row for each value."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from legm.core.naming import readable_name
from legm.core.results import result_records
from legm.errors import LegmError, closest, storage_error
from legm.export.export_report import Exported, Report, State
from legm.export.selected_source import selected_source
from legm.export.sources import ExportSource, LoadedRun, UnavailableRun
from legm.export.table_writers import TableWriter, table_writer_for
from legm.export.to_backend import export_source_of
from legm.records import Status
from legm.tables.columns import Column
from legm.tables.history_table import RunSeries, history_table
from legm.tables.run_tables import run_table
from legm.tables.series_reading import read_series_of_records, read_series_of_result
from legm.tables.table import Table
from legm.util.progress import show_progress

__all__ = ["ROWS", "export_table"]

ROWS = ("runs", "points")
"""What a row can stand for."""

_POINT_COLUMNS = ("run_id", "metric", "split", "index", "step", "value", "time")
_ROWS_AT_ONCE = 1 << 16


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
    """Write every run to a table, which replaces an existing file atomically.

    A run that is still running is in it as it is now, with its status, and is in the report.

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
    found, _ = export_source_of(
        root, source, source_options or {}, experiment, series=rows == "points", running=True
    )
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
        with contextlib.suppress(OSError):  # it may be in no folder, which was said
            temporary.unlink()
    return Report(str(target), runs.states, runs.points, 0, 0, tuple(runs.reported))


class _TableRuns:
    """The runs of a source, each once; counts the states of all, and collects what to report."""

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
                state = State.MISSING
                self.reported.append(Exported(one.where, state, 0, one.reason))
            elif one.result.run.run_id in seen:
                continue
            else:
                seen.add(one.result.run.run_id)
                state = State.RUNNING if one.is_running else State.DELIVERED
                self.points += one.result.points
                if one.note:
                    self.reported.append(
                        Exported(_table_run_location(one), state, one.result.points, one.note)
                    )
            self.states[state] += 1
            if isinstance(one, LoadedRun):
                yield one


def _write_run_table(make: type[TableWriter], path: Path, runs: _TableRuns) -> None:
    table = run_table((one.result, _table_configuration_label(one)) for one in runs)
    with make(path, table.columns) as writer:
        _write_table_rows(writer, table.columns)


def _write_point_table(make: type[TableWriter], path: Path, runs: _TableRuns) -> None:
    with make(path, _point_table_columns(history_table(()))) as writer:
        for one in runs:
            if one.log is None:
                rows = list(read_series_of_result(one.result))
            else:
                status = Status.COMPLETED if one.is_running else one.result.status  # it may have been logged
                rows = list(read_series_of_records(result_records(one.records, status)))
            series = RunSeries(one.result, _table_configuration_label(one), rows)
            _write_table_rows(writer, _point_table_columns(history_table([series])))


def _table_run_location(one: LoadedRun) -> str:
    """The folder of a run, or its configuration; with the run's id where that of its folder is not enough."""
    where = _table_configuration_label(one) if one.folder is None else str(one.folder)
    return f"{where}, run {one.result.run.run_id}" if one.is_running else where


def _table_configuration_label(one: LoadedRun) -> str:
    name = one.folder.name if one.folder is not None else one.result.run.configuration.name
    return readable_name(name)


def _point_table_columns(history: Table) -> list[Column]:
    return [history.column(name) for name in _POINT_COLUMNS]


def _write_table_rows(writer: TableWriter, columns: Sequence[Column]) -> None:
    for at in range(0, len(columns[0]), _ROWS_AT_ONCE):
        writer.write([column.cells(at, at + _ROWS_AT_ONCE) for column in columns])

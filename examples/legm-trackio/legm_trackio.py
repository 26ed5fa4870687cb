"""Keeps runs in trackio: ``ExperimentHandler(root, experiment, backend="trackio")``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from trackio.sqlite_storage import SQLiteStorage

from legm import hookimpl
from legm.backends import portable
from legm.core.run_environment import run_in_environment
from legm.hooks import Capability
from legm.records import Configuration, Points, Query, Record, Resumption, Rewind, Run, RunResult


def project(experiment: str) -> str:
    """The experiment's project: trackio leaves out most characters of a name, so a digest tells it apart."""
    return f"{experiment[:60]}-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"


Row = tuple[dict[str, float], int, float]
"""The values of metrics by their names, their step, and when they were set, in s since 1970."""


def without_later(rows: list[Row], step: int) -> list[Row]:
    """Rows without the dev values at later steps than this; one remains, so that the run does."""
    kept = [
        ({name: one for name, one in values.items() if at <= step or name.startswith("test/")}, at, time)
        for values, at, time in rows
    ]
    return [row for row in kept if row[0]] or [({}, 0, rows[0][2] if rows else 0.0)]


class Backend:
    """trackio as a backend. Its store is trackio's own, wherever the root directory is."""

    name = "trackio"
    capabilities: frozenset[Capability] = frozenset({Capability.RESUME})

    def __init__(self, root: Path) -> None:
        pass

    def _keep(self, run: Run, rows: list[Row], config: dict[str, Any], **own: Any) -> None:
        """Store rows, and legm's own fields in the run's configuration, in one transaction."""
        metrics, steps, times = ([row[column] for row in rows] for column in range(3))
        at = [datetime.fromtimestamp(time, timezone.utc).isoformat() for time in times]
        begun = {
            **run.configuration.parameters,
            **run.parameters,
            "_legm_run": portable.run_json(run).decode(),
        }
        of, known = project(run.configuration.experiment), {**begun, **config, **own}
        SQLiteStorage.bulk_log(of, run.run_id, metrics, steps, at, config=known, run_id=run.run_id)

    def _stored_rows(self, run: Run) -> list[Row]:
        logs = SQLiteStorage.get_logs(project(run.configuration.experiment), run_id=run.run_id)
        return [
            (log, log.pop("step"), datetime.fromisoformat(log.pop("timestamp")).timestamp()) for log in logs
        ]

    def _config(self, experiment: str, run_id: str) -> dict[str, Any]:
        return SQLiteStorage.get_run_config(project(experiment), run_id=run_id) or {}

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        return self._config(run.configuration.experiment, run.run_id).get("_legm_position", 0)

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        config = self._config(run.configuration.experiment, run.run_id)
        rows: list[Row] = []
        is_rewound = False
        for record in records:
            if isinstance(record, Points):
                found = record.rows()
                rows += [(dict(zip(map(str, row[0]), row[3], strict=True)), row[1], row[2]) for row in found]
            elif isinstance(record, Resumption):
                begun = portable.run_from(config.get("_legm_run", portable.run_json(run).decode()).encode())
                resumed = run_in_environment(begun, [record])
                config = {**config, "_legm_run": portable.run_json(resumed).decode(), "_legm_result": None}
                rows.append(({}, 0, record.time))  # there is no configuration without a row
            elif isinstance(record, Rewind):
                rows = without_later([*([] if is_rewound else self._stored_rows(run)), *rows], record.step)
                is_rewound = True
        if is_rewound:  # it deletes whole runs; one that is killed here is written again from its log
            SQLiteStorage.delete_run(project(run.configuration.experiment), run.run_id, run_id=run.run_id)
        if rows:
            self._keep(run, rows, config, _legm_position=position)

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        series = base64.b64encode(portable.series_npz(result.histories)).decode()
        own = {"_legm_result": portable.result_json(result).decode(), "_legm_series": series}
        config = self._config(run.configuration.experiment, run.run_id)
        self._keep(run, [({}, result.last_step or 0, result.ended or run.started)], config, **own)

    def _kept(self, experiment: str) -> Iterator[tuple[Run, dict[str, Any]]]:
        for record in SQLiteStorage.get_run_records(project(experiment)):
            config = self._config(experiment, str(record["id"]))
            if "_legm_run" in config:
                yield portable.run_from(config["_legm_run"].encode()), config

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult]:
        for run, config in self._kept(query.experiment):
            of = query.fingerprint in {None, run.configuration.fingerprint}
            if config.get("_legm_result") and of and query.description in {None, run.description}:
                result, series = portable.result_from(config["_legm_result"].encode(), run.configuration)
                numbers = base64.b64decode(config["_legm_series"])
                yield replace(result, histories=portable.series_from(numbers, series, query.histories))

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> list[Configuration]:
        every = (run.configuration for run, _ in self._kept(experiment))
        return list({one.fingerprint: one for one in every}.values())

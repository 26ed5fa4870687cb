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
from legm.hooks import Capability
from legm.records import Configuration, Points, Query, Record, Run, RunResult


def project(experiment: str) -> str:
    """The experiment's project: trackio leaves out most characters of a name, so a digest tells it apart."""
    return f"{experiment[:60]}-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"


class Backend:
    """trackio as a backend. Its store is trackio's own, wherever the root directory is."""

    name = "trackio"
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, root: Path) -> None:
        pass

    def _keep(self, run: Run, rows: list[tuple[dict[str, float], int, float]], **own: Any) -> None:
        """Rows of numbers, and legm's own fields in the run's configuration, in one transaction."""
        metrics, steps, times = ([row[column] for row in rows] for column in range(3))
        at = [datetime.fromtimestamp(time, timezone.utc).isoformat() for time in times]
        begun = {
            **run.configuration.parameters,
            **run.parameters,
            "_legm_run": portable.run_json(run).decode(),
        }
        config = {**begun, **self._config(run.configuration.experiment, run.run_id), **own}
        of = project(run.configuration.experiment)
        SQLiteStorage.bulk_log(of, run.run_id, metrics, steps, at, config=config, run_id=run.run_id)

    def _config(self, experiment: str, run_id: str) -> dict[str, Any]:
        return SQLiteStorage.get_run_config(project(experiment), run_id=run_id) or {}

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        return self._config(run.configuration.experiment, run.run_id).get("_legm_position", 0)

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        points = [row for record in records if isinstance(record, Points) for row in record.rows()]
        rows = [(dict(zip(map(str, row[0]), row[3], strict=True)), row[1], row[2]) for row in points]
        if rows:
            self._keep(run, rows, _legm_position=position)

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        series = base64.b64encode(portable.series_npz(result.histories)).decode()
        last = ({}, result.last_step or 0, result.ended or run.started)
        self._keep(run, [last], _legm_result=portable.result_json(result).decode(), _legm_series=series)

    def _kept(self, experiment: str) -> Iterator[tuple[Run, dict[str, Any]]]:
        for record in SQLiteStorage.get_run_records(project(experiment)):
            config = self._config(experiment, str(record["id"]))
            if "_legm_run" in config:
                yield portable.run_from(config["_legm_run"].encode()), config

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult]:
        for run, config in self._kept(query.experiment):
            of = query.fingerprint in {None, run.configuration.fingerprint}
            if "_legm_result" in config and of and query.description in {None, run.description}:
                result, series = portable.result_from(config["_legm_result"].encode(), run.configuration)
                numbers = base64.b64decode(config["_legm_series"])
                yield replace(result, histories=portable.series_from(numbers, series, query.histories))

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> list[Configuration]:
        every = (run.configuration for run, _ in self._kept(experiment))
        return list({one.fingerprint: one for one in every}.values())

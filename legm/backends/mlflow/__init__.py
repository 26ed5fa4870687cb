"""Runs in MLflow: a SQLite file, a database, or a tracking server.

What is where: an experiment is an MLflow experiment. A run is an MLflow run with the tag
``legm.kind=run``, nested under the one run ``legm.kind=configuration`` of its configuration. Numbers
are metrics ``dev/…`` at their own steps, ``test/…`` and ``best/…``, written for people and MLflow's own
tools. What legm reads back it reads from the artifacts ``legm/run.json``, ``legm/result.json`` and
``legm/series.npz``, which hold everything to the last bit (see :mod:`legm.backends.portable`).

A batch carries its position in the run log as the tag ``legm.position``. MLflow keeps points that are
equal in name, time, step and value once, so that a batch that comes twice adds nothing.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow.entities import ExperimentTag, Metric, Param, RunStatus, RunTag, ViewType

from legm.backends import portable
from legm.backends.mlflow import points as tables
from legm.backends.mlflow.mapping import group, indexed_tables, metric_key, milliseconds, note, shown
from legm.backends.mlflow.stores import (
    Artifacts,
    open_store,
    prepare,
    sqlite_path,
    sqlite_uri,
    translated,
)
from legm.core.credentials import without_password
from legm.core.identity import plain
from legm.core.naming import safe_name, short_name, shortened
from legm.errors import BackendError
from legm.hooks import Capability, hookimpl
from legm.records import (
    Aggregate,
    Artifact,
    Configuration,
    Curve,
    Display,
    Points,
    Query,
    Record,
    Run,
    RunResult,
    Status,
    Summary,
)
from legm.stats.aggregate import summary_as_dict

__all__ = ["MlflowBackend"]

_EXPERIMENT = "legm.experiment"  # a tag of the experiment
_KIND, _FINGERPRINT, _RUN, _POSITION, _STATUS = (
    f"legm.{name}" for name in ("kind", "fingerprint", "run_id", "position", "status")
)
_GROUP = "legm.description_digest"  # a description may hold what a filter cannot
_PARENT, _NOTE = "mlflow.parentRunId", "mlflow.note.content"
_STATUSES = {
    Status.COMPLETED: RunStatus.FINISHED,
    Status.FAILED: RunStatus.FAILED,
    Status.INTERRUPTED: RunStatus.KILLED,
}
_METRICS, _PARAMS = 990, 100  # MLflow takes 100 params in a request, and 1,000 metrics, params and tags
_READERS = 8


def _is_half_made(parent: Any) -> bool:
    """Whether a configuration's own run is still being made, or its maker was killed."""
    return bool(parent.info.status == "RUNNING")


def _experiment_name(name: str) -> str:
    return shortened(name, hashlib.sha256(name.encode(errors="replace")).hexdigest(), 400)


class MlflowBackend:
    """Keeps runs in MLflow.

    Args:
        root: the root directory.
        tracking_uri: of the store or server. Without one MLflow's variable MLFLOW_TRACKING_URI counts, and
            without that a SQLite file ``mlflow.db`` in the root directory.
        artifact_location: where artifacts of new experiments go. Without one a server decides, and a
            database's are in ``mlartifacts`` in the root directory.
        tags: put on every run.
    """

    name = "mlflow"
    capabilities = frozenset(Capability) - {Capability.FOLDERS, Capability.DISCARD}

    def __init__(
        self,
        root: Path,
        tracking_uri: str | None = None,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        for option, value in (("tracking_uri", tracking_uri), ("artifact_location", artifact_location)):
            if value is not None and not isinstance(value, str):
                raise BackendError(f"mlflow's option {option} must be text, not {value!r}")
        if tracking_uri is not None and ":***@" in tracking_uri:  # as it is noted, without its password
            now = os.environ.get("MLFLOW_TRACKING_URI", "")
            if without_password(now) != tracking_uri:
                raise BackendError(
                    f"the password of {tracking_uri} was not kept: set MLFLOW_TRACKING_URI with it"
                )
            tracking_uri = now
        self._root = root.absolute()
        self._uri = (
            tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(self._root / "mlflow.db")
        )
        path = sqlite_path(self._uri)
        if path is not None:
            self._uri = sqlite_uri(path)
        prepare(self._uri)
        self._is_server = self._uri.startswith(("http://", "https://"))
        self._location = artifact_location
        self._tags = {str(key): shown(plain(str(key), value)) for key, value in (tags or {}).items()}
        given = {"tracking_uri": tracking_uri and without_password(self._uri), "tags": self._tags}
        self.options = {
            key: value for key, value in {**given, "artifact_location": artifact_location}.items() if value
        }
        self._opened: Any = None
        self._experiments: dict[str, str] = {}
        self._configurations: dict[str, Configuration] = {}
        self._parents: dict[tuple[str, str], Any] = {}
        self._runs: dict[str, Any] = {}

    # The store

    @property
    def _store(self) -> Any:
        if self._opened is None:
            self._opened = open_store(self._uri, None if self._is_server else str(self._root / "mlartifacts"))
        return self._opened

    def _exists(self) -> bool:
        """Whether there is something to read; a look makes no file."""
        path = sqlite_path(self._uri)
        return path is None or path.exists()

    def _translated(self, doing: str) -> Any:
        return translated(doing, self._uri)

    def _find_experiment(self, name: str) -> str | None:
        """The id of the MLflow experiment; None where there is none."""
        if name not in self._experiments:
            if not self._exists():
                return None
            found = self._store.get_experiment_by_name(_experiment_name(name))
            if found is None:
                return None
            if found.lifecycle_stage != "active":
                raise BackendError(
                    f"the MLflow experiment {name!r} is deleted: restore it, or use another name"
                )
            self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _experiment(self, name: str) -> str:
        """The id of the MLflow experiment, which is made where there is none."""
        found = self._find_experiment(name)
        if found is not None:
            return found
        location = self._location
        if location is None and not self._is_server:
            location = (self._root / "mlartifacts" / short_name(name)).as_uri()
        tags = [ExperimentTag(_EXPERIMENT, name)]
        try:
            self._experiments[name] = self._store.create_experiment(_experiment_name(name), location, tags)
        except Exception:  # another process was faster
            found = self._find_experiment(name)
            if found is None:
                raise
            return found
        return self._experiments[name]

    def _search(self, experiment: str, **tags: str) -> Iterator[Any]:
        """The runs with these tags, oldest first; the store picks them."""
        condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        token = None
        while True:
            page = self._store.search_runs(
                [experiment],
                condition,
                ViewType.ACTIVE_ONLY,
                max_results=1000,
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, experiment: str, name: str, started: float, tags: Mapping[str, str]) -> Any:
        user = getpass.getuser()
        every = {**self._tags, **tags, "mlflow.user": user, "mlflow.source.type": "LOCAL"}
        every["mlflow.source.name"] = Path(sys.argv[0] or "python").name
        items = [RunTag(key, value) for key, value in every.items()]
        return self._store.create_run(experiment, user, milliseconds(started), items, name)

    def _one(self, experiment: str, name: str, tags: Mapping[str, str], begin: Any = None) -> Any:
        """The one run that stands for a configuration or for an experiment's comparisons; made once.

        Nothing is unique in MLflow: who made a second one finds the first, and deletes its own.
        """
        key = (experiment, json.dumps(tags, sort_keys=True))
        if key not in self._parents:
            found = next(self._search(experiment, **tags), None)
            if found is None or _is_half_made(found):
                made = found or self._create(experiment, name, time.time(), tags)
                if begin is not None:
                    begin(made)
                self._end(made.info.run_id, Status.COMPLETED, time.time())
                found = next(self._search(experiment, **tags), made)
                if found.info.run_id != made.info.run_id:
                    self._store.delete_run(made.info.run_id)
            self._parents[key] = found
        return self._parents[key]

    def _end(self, run_id: str, status: Status, ended: float) -> None:
        self._store.update_run_info(run_id, _STATUSES[status], milliseconds(ended), None)

    def _parent(self, configuration: Configuration) -> Any:
        experiment = self._experiment(configuration.experiment)

        def begin(made: Any) -> None:
            run = Run("", configuration, "", 0.0)
            self._artifacts(made).write("legm/run.json", portable.run_json(run))
            self._log(made.info.run_id, params=self._params(configuration, {}))

        name = configuration.name or configuration.fingerprint[:15]
        tags = {_KIND: "configuration", _FINGERPRINT: configuration.fingerprint}
        return self._one(experiment, name, tags, begin)

    def _params(self, configuration: Configuration, own: Mapping[str, Any]) -> dict[str, str]:
        values = {**{name: configuration.parameters[name] for name in configuration.active}, **own}
        return {metric_key(name): shown(value) for name, value in values.items()}

    def _log(
        self,
        run_id: str,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Metrics first and tags last, in as many requests as it takes."""
        points, values = list(metrics), [Param(*item) for item in (params or {}).items()]
        labels = [RunTag(*item) for item in (tags or {}).items()]
        for at in range(0, len(values), _PARAMS):
            self._store.log_batch(run_id, [], values[at : at + _PARAMS], [])
        if len(points) > 1 and tables.can_write(self._store):
            tables.write(self._store, run_id, points)
            points = []
        last = max(0, (len(points) - 1) // _METRICS * _METRICS)
        for at in range(0, last, _METRICS):
            self._store.log_batch(run_id, points[at : at + _METRICS], [], [])
        if points or labels:
            self._store.log_batch(run_id, points[last:], [], labels)

    def _artifacts(self, run: Any) -> Artifacts:
        moved_to = self._root / "mlartifacts"
        return Artifacts(run.info.artifact_uri, self._uri if self._is_server else "", moved_to)

    # A run

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        """Find or create the MLflow run."""
        configuration = run.configuration
        with self._translated("begin the run"):
            experiment = self._experiment(configuration.experiment)
            found, *others = [*self._search(experiment, **{_RUN: run.run_id})] or [None]
            for double in others:  # of a request that was answered too late
                self._store.delete_run(double.info.run_id)
            if found is None:
                own = [f"{name}={shown(value)}" for name, value in run.parameters.items()]
                title = ", ".join([configuration.name or configuration.fingerprint[:15], *own])
                tags = {
                    _KIND: "run",
                    _RUN: run.run_id,
                    _FINGERPRINT: configuration.fingerprint,
                    _GROUP: group(run.description),
                    _PARENT: self._parent(configuration).info.run_id,
                }
                if run.description:
                    tags |= {_NOTE: run.description, "legm.description": shown(run.description)}
                found = self._create(experiment, title[:120], run.started, tags)
            self._runs[run.run_id] = found
            position = found.data.tags.get(_POSITION)
            if position is not None:
                return int(position)
            self._artifacts(found).write("legm/run.json", portable.run_json(run))
            params = self._params(configuration, run.parameters)
            self._log(found.info.run_id, params=params, tags={_POSITION: "0"})
            return 0

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Numbers as metrics, files and texts as artifacts."""
        ours = self._runs[run.run_id]
        metrics: list[Metric] = []
        with self._translated("take the run's values"):
            for record in records:
                if isinstance(record, Points):
                    metrics += self._metrics(record)
                elif isinstance(record, Artifact):
                    self._artifacts(ours).write(
                        f"files/{safe_name(record.name)}", Path(record.path).read_bytes()
                    )
                elif isinstance(record, Display) and isinstance(record.value, str):
                    name = f"texts/{safe_name(record.name)}/{record.step}.txt"
                    self._artifacts(ours).write(name, record.value.encode())
                elif isinstance(record, Display):
                    key = metric_key("display", record.name)
                    metrics.append(Metric(key, float(record.value), milliseconds(record.time), record.step))
            self._log(ours.info.run_id, metrics, tags={_POSITION: str(position)})

    def _metrics(self, points: Points) -> Iterator[Metric]:
        keys = {
            series: metric_key(series.split.value, series.name)
            for layout in points.layouts
            for series in layout
            if series.index is None  # thousands of examples are no charts; they are in the artifacts
        }
        for layout, step, moment, values in points.rows():
            stamp = milliseconds(moment)
            for series, value in zip(layout, values, strict=True):
                if series in keys:
                    yield Metric(keys[series], value, stamp, step)

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        """The result as artifacts and as metrics, then the status."""
        ours = self._runs[run.run_id]
        run_id, ended = ours.info.run_id, result.ended or time.time()
        with self._translated("finish the run"):
            files = self._artifacts(ours)
            files.write("legm/series.npz", portable.series_npz(result.histories))
            files.write("legm/result.json", portable.result_json(replace(result, run=run)))
            for name, table in indexed_tables(result).items():
                files.write(f"indexed/{safe_name(name)}.csv", table.encode())
            stamp = milliseconds(ended)
            numbers = {metric_key("best", s.name): v for s, v in result.best.items() if s.index is None}
            if result.best_step is not None:
                numbers["best_step"] = float(result.best_step)
            tags = {
                _STATUS: result.status.value,
                **({"legm.error": shown(result.error)} if result.error else {}),
            }
            self._log(run_id, [Metric(key, value, stamp, 0) for key, value in numbers.items()], tags=tags)
            self._end(run_id, result.status, ended)

    @hookimpl
    def legm_release_run(self, run: Run) -> None:
        """Forget the handle."""
        self._runs.pop(run.run_id, None)

    # Reading back

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult]:
        """The runs that the store finds by their tags, each from its artifacts."""
        with self._translated("read the runs"):
            experiment = self._find_experiment(query.experiment)
            if experiment is None:
                return
            tags = {_KIND: "run"}
            if query.fingerprint is not None:
                tags[_FINGERPRINT] = query.fingerprint
            if query.description is not None:
                tags[_GROUP] = group(query.description)
            runs = self._search(experiment, **tags)
            found = {run.data.tags[_RUN]: run for run in runs if _POSITION in run.data.tags}  # has its files
            with ThreadPoolExecutor(_READERS if self._is_server else 1) as readers:
                yield from readers.map(lambda run: self._result(run, query.histories), found.values())

    def _result(self, run: Any, names: frozenset[str] | None) -> RunResult:
        with self._translated(f"read the artifacts of the run {run.info.run_id}"):
            files, tags = self._artifacts(run), run.data.tags
            if _STATUS not in tags:
                return RunResult(portable.run_from(files.read("legm/run.json")), Status.RUNNING)
            fingerprint = tags[_FINGERPRINT]
            if fingerprint not in self._configurations:
                known = portable.run_from(files.read("legm/run.json"))
                self._configurations[fingerprint] = known.configuration
            result, series = portable.result_from(
                files.read("legm/result.json"), self._configurations[fingerprint]
            )
            if names is None or any(one.name in names for one in series):
                histories = portable.series_from(files.read("legm/series.npz"), series, names)
                result = replace(result, histories=histories)
            return result

    @hookimpl
    def legm_read_experiments(self) -> Iterator[str]:
        """The MLflow experiments that legm made, by the names that they were asked for."""
        with self._translated("list the experiments"):
            token = None
            while self._exists():
                page = self._store.search_experiments(ViewType.ACTIVE_ONLY, 1000, page_token=token)
                yield from (one.tags[_EXPERIMENT] for one in page if _EXPERIMENT in one.tags)
                token = page.token
                if not token:
                    return

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> Iterator[Configuration]:
        """The configurations, each from its own MLflow run."""
        with self._translated("read the configurations"):
            number = self._find_experiment(experiment)
            if number is None:
                return
            seen: dict[str, Any] = {}
            for run in self._search(number, **{_KIND: "configuration"}):
                if _is_half_made(run):
                    continue
                seen.setdefault(run.data.tags[_FINGERPRINT], run)
            with ThreadPoolExecutor(_READERS if self._is_server else 1) as readers:
                yield from readers.map(
                    lambda run: portable.run_from(self._artifacts(run).read("legm/run.json")).configuration,
                    seen.values(),
                )

    # What was computed over runs

    @hookimpl
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Aggregates as metrics, as a table for people, and whole."""
        with self._translated("keep the aggregates"):
            parent = self._parent(configuration)
            values, now = summary_as_dict(summary), milliseconds(time.time())
            prefix = f"aggregate ({description})" if description else "aggregate"
            metrics = [
                Metric(metric_key(prefix, name, field), float(value), now, 0)
                for name, aggregate in summary.values.items()
                if isinstance(aggregate, Aggregate)
                for field, value in values[name].items()
                if isinstance(value, (int, float))
            ]
            files = self._artifacts(parent)
            front = f"{short_name(description)}-" if description else ""
            whole = json.dumps(values, indent=1).encode()
            files.write(f"{front}aggregated_metrics.json", whole)
            text = note(configuration, description, summary)
            self._log(parent.info.run_id, metrics, tags={_NOTE: text})
            experiment = self._experiment(configuration.experiment)
            tags = {_KIND: "run", _FINGERPRINT: configuration.fingerprint}
            for run in self._search(experiment, **tags):
                if run.data.tags.get(_PARENT) != parent.info.run_id:
                    self._store.set_tag(run.info.run_id, RunTag(_PARENT, parent.info.run_id))

    @hookimpl
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Each curve as a table."""
        with self._translated("keep the curves"):
            files = self._artifacts(self._parent(configuration))
            front = f"{short_name(description)}-" if description else ""
            for curve in curves:
                name = f"{front}curves/{short_name(curve.metric)}.csv"
                files.write(name, portable.curve_csv(curve))

    @hookimpl
    def legm_write_figure(
        self,
        experiment: str,
        configuration: Configuration | None,
        description: str,
        name: str,
        content: bytes,
        format: str,
    ) -> str:
        """A picture with the configuration, or with the experiment's comparisons."""
        with self._translated("keep the picture"):
            if configuration is not None:
                run = self._parent(configuration)
            else:
                run = self._one(self._experiment(experiment), "comparison", {_KIND: "comparison"})
            front = f"{short_name(description)}-" if description else ""
            path = f"{front}plots/{short_name(name)}.{format}"
            files = self._artifacts(run)
            files.write(path, content)
            return files.place(path)

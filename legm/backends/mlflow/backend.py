"""The backend that keeps runs in MLflow.

An experiment is an MLflow experiment. A run is an MLflow run of the kind ``run``, nested under the one MLflow
run of the kind ``configuration`` of its configuration. Numbers are metrics: ``dev/…`` at their own steps,
``test/…`` and ``best/…``; they are for users and MLflow's own tools. What legm reads back it reads from the
artifacts that hold the run bit for bit (see :mod:`legm.backends.portable`). :mod:`legm.backends.mlflow.names`
has all names.

A batch stores its position in the run log as a tag of the run. MLflow stores points that are equal in name,
time, step and value once, so a batch that is delivered twice adds nothing.

A resumed run continues in its MLflow run, which is running again. What a rewind takes back is deleted from a
database and marked on a server (see :mod:`legm.backends.mlflow.rewinding`). A run that a user amends stays in
its MLflow run where MLflow can change that (see :mod:`legm.backends.mlflow.amending`).
"""

from __future__ import annotations

import contextlib
import getpass
import json
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlflow.entities import ExperimentTag, Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException

from legm.backends import portable
from legm.backends.mlflow import names
from legm.backends.mlflow.amending import (
    amended_description_tags,
    amended_params_to_delete,
    delete_amended_params,
    rename_amended_mlflow_run,
    rewrite_amended_run_file,
)
from legm.backends.mlflow.bulk_insert import bulk_insert_points, can_bulk_insert
from legm.backends.mlflow.display import (
    display_absent_values,
    display_configuration_note,
    display_indexed_tables,
    display_milliseconds,
    display_params,
    display_rewind,
    display_source_tags,
    display_stretches,
    display_value,
)
from legm.backends.mlflow.media_display import MlflowMediaBatch, read_mlflow_media
from legm.backends.mlflow.rewinding import (
    can_rewind_points,
    delete_mlflow_run_for_good,
    delete_points_by_rewinding,
    delete_replaced_mlflow_points,
    delete_texts_by_rewinding,
    last_steps_before_rewinding,
    newest_points_after_rewinding,
    reopen_mlflow_run,
    without_rewound_mlflow_points,
)
from legm.backends.mlflow.stores import (
    MlflowArtifactStore,
    check_store_uri,
    open_mlflow_store,
    sqlite_store_path,
    translate_store_errors,
)
from legm.core.credentials import redact, redact_url_password
from legm.core.naming import run_title, short_name, unescape_name
from legm.core.plain_form import to_plain
from legm.core.run_environment import run_in_environment, run_stretches
from legm.errors import BackendError
from legm.hooks import Capability, hookimpl, still_working
from legm.records import (
    Aggregate,
    Artifact,
    ChangeKind,
    Configuration,
    Curve,
    Display,
    EnvironmentUpdate,
    Media,
    MediaFile,
    Points,
    Query,
    Record,
    Resumption,
    Rewind,
    Run,
    RunMarks,
    RunResult,
    Status,
    StoredChange,
    StoredFile,
    StoredRun,
    Summary,
)
from legm.stats.aggregate import aggregated_summary_as_dict
from legm.util.given_paths import resolved_path
from legm.util.user_environment import user_variable

__all__ = ["MlflowBackend"]

_PARENT_TAG, _NOTE_TAG = "mlflow.parentRunId", "mlflow.note.content"
_STATUSES = {
    Status.COMPLETED: RunStatus.FINISHED,
    Status.FAILED: RunStatus.FAILED,
    Status.INTERRUPTED: RunStatus.KILLED,
    Status.PRUNED: RunStatus.KILLED,
}
# MLflow accepts 100 params in a request, and 1,000 metrics, params and tags together.
_METRICS_PER_REQUEST, _PARAMS_PER_REQUEST = 990, 100
_READER_THREADS = 8
_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_CONFLICT = "BAD_REQUEST"  # the code of the error where another process inserts the same rows at that moment
_PATIENCE_WITH_A_FILE = 60.0  # seconds: other processes may hold its lock, but it cannot be away


def _is_incomplete_mlflow_run(parent: Any) -> bool:
    """Whether the MLflow run of a configuration is still being created, or its creator was killed."""
    return bool(parent.info.status == "RUNNING")


def _received_by_mlflow(mlflow_run: Any) -> tuple[bool, int]:
    """How much of a run its MLflow run has: whether its end, and the byte of the run log."""
    tags = mlflow_run.data.tags
    has_ended = tags.get(names.STATUS_TAG, Status.RUNNING.value) != Status.RUNNING.value
    position = tags.get(names.POSITION_TAG, "")
    return has_ended, int(position) if position.isdecimal() else -1


@dataclass(slots=True)
class _LiveMlflowRun:
    """An MLflow run that is being written.

    Args:
        mlflow_run: the MLflow run as it was when it was opened.
        rewound: what is void in it.
        last_steps: by metric, the largest step that was sent.
    """

    mlflow_run: Any
    rewound: portable.Rewound = portable.NOTHING_REWOUND
    last_steps: dict[str, int] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """MLflow's id of it."""
        return str(self.mlflow_run.info.run_id)

    def milliseconds(self, moment: float) -> int:
        """A time in the unit of MLflow, behind all rewinds: an earlier one would be void."""
        limits = [limit + 1 for _, limit in self.rewound.marks]
        return max(display_milliseconds(moment), *limits) if limits else display_milliseconds(moment)


def _noted_in_mlflow(tags: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a result for what a user noted about a run."""
    return {
        "marks": names.marks_from_mlflow_tags(tags),
        "sent_marks": names.sent_marks_from_mlflow_tags(tags),
    }


def _absent_values_tag(configuration: Configuration, there: Container[str] = ()) -> dict[str, str]:
    """The tag for params that do not count; none where all count, and none is there."""
    text = display_absent_values(configuration)
    return {names.ABSENT_VALUES_TAG: text} if text or names.ABSENT_VALUES_TAG in there else {}


def _mlflow_run_title(run: Run) -> str:
    """The name of the MLflow run."""
    own = [f"{name}={display_value(value)}" for name, value in run.parameters.items()]
    return run_title(run.configuration, own)[:120]


class MlflowBackend:
    """Keeps runs in MLflow.

    Args:
        root: the root directory.
        tracking_uri: the address of the store or server. The default is MLflow's variable
            MLFLOW_TRACKING_URI, or else a SQLite file ``mlflow.db`` in the root directory.
        artifact_location: the address of the artifacts of new experiments. By default a server decides,
            and those of a database are in ``mlartifacts`` in the root directory.
        tags: the tags of every run.
    """

    name = "mlflow"
    capabilities = frozenset(Capability) - {Capability.FOLDERS}

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
        if tracking_uri is not None and ":***@" in tracking_uri:  # as it was stored, without its password
            now = user_variable("MLFLOW_TRACKING_URI") or ""
            if redact_url_password(now) != tracking_uri:
                raise BackendError(
                    f"the password of {tracking_uri} is not stored: set MLFLOW_TRACKING_URI including it"
                )
            tracking_uri = now
        self._root = root.absolute()
        self._uri = (
            tracking_uri
            or user_variable("MLFLOW_TRACKING_URI")
            or names.mlflow_sqlite_uri(self._root / names.SQLITE_FILE)
        )
        path = sqlite_store_path(self._uri)
        if path is not None:
            self._uri = names.mlflow_sqlite_uri(path)
        self._is_in_root = path is not None and resolved_path(path.parent) == resolved_path(self._root)
        check_store_uri(self._uri)
        self._is_server = self._uri.startswith(("http://", "https://"))
        self.patience = None if path is None else _PATIENCE_WITH_A_FILE
        self._location = artifact_location
        self._tags = {
            str(key): display_value(redact(str(key), to_plain(str(key), value)))
            for key, value in (tags or {}).items()
        }
        given = {"tracking_uri": tracking_uri and redact_url_password(self._uri), "tags": self._tags}
        self.options = {
            key: value for key, value in {**given, "artifact_location": artifact_location}.items() if value
        }
        self._opened: Any = None
        self._experiments: dict[str, str] = {}
        self._configurations: dict[str, Configuration] = {}
        self._parents: dict[tuple[str, str], Any] = {}
        self._runs: dict[str, _LiveMlflowRun] = {}

    # The store

    @property
    def _store(self) -> Any:
        if self._opened is None:
            self._opened = open_mlflow_store(
                self._uri, None if self._is_server else str(self._root / names.ARTIFACTS_FOLDER)
            )
        still_working()  # the call before this one was answered
        return self._opened

    def _exists(self) -> bool:
        """Whether there is a store to read; the check does not create its file."""
        path = sqlite_store_path(self._uri)
        return path is None or path.exists()

    def _translate_errors(self, doing: str) -> Any:
        return translate_store_errors(doing, self._uri)

    def _find_experiment(self, name: str) -> str | None:
        """The id of the MLflow experiment; None if there is none."""
        if name not in self._experiments:
            if not self._exists():
                return None
            found = self._store.get_experiment_by_name(names.mlflow_experiment_name(name))
            if found is None:
                return None
            if found.lifecycle_stage != "active":
                raise BackendError(
                    f"the MLflow experiment {name!r} is deleted: restore it, or use another name"
                )
            self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _experiment(self, name: str) -> str:
        """The id of the MLflow experiment, which is created if there is none."""
        found = self._find_experiment(name)
        if found is not None:
            return found
        location = self._location
        if location is None and not self._is_server:
            location = (self._root / names.ARTIFACTS_FOLDER / short_name(name)).as_uri()
        tags = [ExperimentTag(names.EXPERIMENT_TAG, name)]
        try:
            self._experiments[name] = self._store.create_experiment(
                names.mlflow_experiment_name(name), location, tags
            )
        except Exception:  # another process created it first
            found = self._find_experiment(name)
            if found is None:
                raise
            return found
        return self._experiments[name]

    def _search(
        self,
        experiment: str,
        tags: Mapping[str, str],
        view: int = ViewType.ACTIVE_ONLY,
        page_size: int = 1000,
    ) -> Iterator[Any]:
        """The runs with these tags, oldest first; the store filters them."""
        condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        token = None
        while True:
            page = self._store.search_runs(
                [experiment],
                condition,
                view,
                max_results=page_size,
                order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _most_received_first(
        self, experiment: str, tags: Mapping[str, str], view: int = ViewType.ACTIVE_ONLY
    ) -> list[Any]:
        return sorted(self._search(experiment, tags, view), key=_received_by_mlflow, reverse=True)

    def _create(self, experiment: str, name: str, started: float, tags: Mapping[str, str]) -> Any:
        user = getpass.getuser()
        every = {**self._tags, **tags, "mlflow.user": user}
        items = [RunTag(key, value) for key, value in every.items()]
        return self._store.create_run(experiment, user, display_milliseconds(started), items, name)

    def _unique_run(self, experiment: str, name: str, tags: Mapping[str, str], begin: Any = None) -> Any:
        """The only run of a configuration or of an experiment's comparisons; it is created once.

        MLflow has no unique constraint: a process that created a second run finds the first one and deletes
        its own.
        """
        key = (experiment, json.dumps(tags, sort_keys=True))
        if key in self._parents and not self._is_active(self._parents[key]):  # its last run was deleted
            del self._parents[key]
        if key not in self._parents:
            found = next(self._search(experiment, tags), None)
            if found is None or _is_incomplete_mlflow_run(found):
                made = found or self._create(experiment, name, time.time(), tags)
                if begin is not None:
                    begin(made)
                self._end(made.info.run_id, Status.COMPLETED, time.time())
                found = next(self._search(experiment, tags), made)
                if found.info.run_id != made.info.run_id:
                    self._store.delete_run(made.info.run_id)
            self._parents[key] = found
        return self._parents[key]

    def _is_active(self, mlflow_run: Any) -> bool:
        try:
            return bool(self._store.get_run(mlflow_run.info.run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code != _NOT_FOUND:
                raise
            return False

    def _delete_unused_parent(self, configuration: Configuration) -> None:
        """Delete the MLflow run of a configuration that has no run any more."""
        experiment = self._find_experiment(configuration.experiment)
        tags = {names.FINGERPRINT_TAG: configuration.fingerprint}
        of_run = {names.KIND_TAG: names.RUN_KIND, **tags}
        if experiment is None or any(self._search(experiment, of_run, page_size=1)):
            return
        for parent in self._search(experiment, {names.KIND_TAG: names.CONFIGURATION_KIND, **tags}):
            self._store.delete_run(parent.info.run_id)

    def _end(self, run_id: str, status: Status, ended: float) -> None:
        self._store.update_run_info(run_id, _STATUSES[status], display_milliseconds(ended), None)

    def _parent(self, configuration: Configuration) -> Any:
        experiment = self._experiment(configuration.experiment)

        def begin_mlflow_run(made: Any) -> None:
            run = Run("", configuration, "", 0.0)
            self._artifacts(made).write(portable.RUN_FILE, portable.run_json(run))
            params, tags = display_params(configuration, {}), _absent_values_tag(configuration)
            try:
                self._log(made.info.run_id, params=params, tags=tags)
            except MlflowException as error:
                if error.error_code != _CONFLICT:
                    raise
                self._log(made.info.run_id, params=params, tags=tags)  # those that are there are left out

        name = run_title(configuration)
        tags = {names.KIND_TAG: names.CONFIGURATION_KIND, names.FINGERPRINT_TAG: configuration.fingerprint}
        return self._unique_run(experiment, name, tags, begin_mlflow_run)

    def _log(
        self,
        run_id: str,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Send metrics first and tags last, in as many requests as needed."""
        points, values = list(metrics), [Param(*item) for item in (params or {}).items()]
        labels = [RunTag(*item) for item in (tags or {}).items()]
        for at in range(0, len(values), _PARAMS_PER_REQUEST):
            self._store.log_batch(run_id, [], values[at : at + _PARAMS_PER_REQUEST], [])
        if len(points) > 1 and can_bulk_insert(self._store):
            bulk_insert_points(self._store, run_id, points)
            points = []
        last = max(0, (len(points) - 1) // _METRICS_PER_REQUEST * _METRICS_PER_REQUEST)
        for at in range(0, last, _METRICS_PER_REQUEST):
            self._store.log_batch(run_id, points[at : at + _METRICS_PER_REQUEST], [], [])
        if points or labels:
            self._store.log_batch(run_id, points[last:], [], labels)

    def _artifacts(self, run: Any) -> MlflowArtifactStore:
        server, moved_to = self._uri if self._is_server else "", self._root / names.ARTIFACTS_FOLDER
        found = MlflowArtifactStore(run.info.artifact_uri, server, moved_to)
        if self._is_in_root:  # somebody else may have made the database in this root directory
            found.is_own = found.is_below(str(self._root)) or found.is_below(self._location)
        return found

    # A run

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        """Find or create the MLflow run."""
        configuration = run.configuration
        with self._translate_errors("begin the run"):
            experiment = self._experiment(configuration.experiment)
            found = self._only_run(experiment, run.run_id)
            if found is None:
                tags = {
                    names.KIND_TAG: names.RUN_KIND,
                    names.RUN_ID_TAG: run.run_id,
                    names.FINGERPRINT_TAG: configuration.fingerprint,
                    names.DESCRIPTION_DIGEST_TAG: names.mlflow_description_digest(run.description),
                    _PARENT_TAG: self._parent(configuration).info.run_id,
                    **_absent_values_tag(configuration),
                    **display_source_tags(run.environment),
                }
                if run.description:
                    tags[_NOTE_TAG] = run.description
                    tags[names.DESCRIPTION_TAG] = display_value(run.description)
                if len(run_stretches(run)) > 1:
                    tags[names.STRETCHES_TAG] = display_stretches(run)
                made = self._create(experiment, _mlflow_run_title(run), run.started, tags)
                found = self._only_run(experiment, run.run_id) or made
            live = self._runs[run.run_id] = _LiveMlflowRun(found)
            if names.REWOUND_TAG in found.data.tags:
                with portable.checked_files(run.run_id):
                    live.rewound = portable.rewound_from(self._artifacts(found).read(portable.REWOUND_FILE))
            position = found.data.tags.get(names.POSITION_TAG)
            if position is not None:
                if can_rewind_points(self._store):
                    live.last_steps = last_steps_before_rewinding(self._store, live.run_id)
                return int(position)
            self._artifacts(found).write(portable.RUN_FILE, portable.run_json(run))
            params = display_params(configuration, run.parameters)
            self._log(found.info.run_id, params=params, tags={names.POSITION_TAG: "0"})
            return 0

    def _only_run(self, experiment: str, run_id: str) -> Any:
        """The MLflow run of a run; None where there is none.

        There are several after a request that succeeded although its answer never came: all but the one with
        the most are deleted, also where that is the one that was just made.
        """
        found, *others = self._most_received_first(experiment, {names.RUN_ID_TAG: run_id}) or [None]
        for duplicate in others:
            self._store.delete_run(duplicate.info.run_id)
        return found

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Store numbers as metrics, files and texts as artifacts."""
        live = self._runs[run.run_id]
        files, metrics = self._artifacts(live.mlflow_run), list[Metric]()
        tags = {names.POSITION_TAG: str(position)}
        media = MlflowMediaBatch(files, lambda: self._store.get_run(live.run_id).data.tags)
        rewound_to: int | None = None
        with self._translate_errors("store the run's values"):
            for record in records:
                if isinstance(record, Points):
                    metrics += self._metrics(live, record)
                elif isinstance(record, Artifact):
                    content = Path(record.path).read_bytes()
                    files.write(portable.artifact_file(record.name), content)
                elif isinstance(record, Media):
                    media.add(record)
                elif isinstance(record, Display) and isinstance(record.value, str):
                    name = portable.text_file(record.name, record.step)
                    files.write(name, record.value.encode())
                    if name in live.rewound.texts:
                        self._mark(live, replace(live.rewound, texts=live.rewound.texts - {name}))
                elif isinstance(record, Display):
                    key = names.mlflow_display_key(record.name)
                    metrics.append(
                        Metric(key, float(record.value), live.milliseconds(record.time), record.step)
                    )
                elif isinstance(record, Resumption):
                    tags |= display_source_tags(record.environment) | self._reopen(live, record)
                elif isinstance(record, EnvironmentUpdate):
                    tags |= display_source_tags(record.environment)
                elif isinstance(record, Rewind):
                    metrics = without_rewound_mlflow_points(metrics, record.step)
                    rewound_to = record.step if rewound_to is None else min(rewound_to, record.step)
                    media.rewind(record)
                    tags |= self._rewind(live, record)
            if rewound_to is not None and can_rewind_points(self._store):
                delete_points_by_rewinding(self._store, live.run_id, rewound_to)
            metrics = newest_points_after_rewinding(metrics)
            self._delete_replaced(live, metrics)
            self._log(live.run_id, metrics, tags=tags | media.store_index())

    def _delete_replaced(self, live: _LiveMlflowRun, metrics: Iterable[Metric]) -> None:
        """Delete the points of steps that are set again; only a database can."""
        replaced: dict[str, list[int]] = {}
        for one in metrics:
            last = live.last_steps.get(one.key)
            if last is None or one.step > last:
                live.last_steps[one.key] = one.step
            else:
                replaced.setdefault(one.key, []).append(one.step)
        if replaced and can_rewind_points(self._store):
            delete_replaced_mlflow_points(self._store, live.run_id, replaced)

    def _metrics(self, live: _LiveMlflowRun, points: Points) -> Iterator[Metric]:
        keys = {
            series: names.mlflow_metric_key(series.split.value, series.name)
            for layout in points.layouts
            for series in layout
            if series.index is None  # thousands of examples are not charts; they are in the artifacts
        }
        for layout, step, moment, values in points.rows():
            stamp = live.milliseconds(moment)
            for series, value in zip(layout, values, strict=True):
                if series in keys:
                    yield Metric(keys[series], value, stamp, step)

    def _reopen(self, live: _LiveMlflowRun, resumption: Resumption) -> dict[str, str]:
        """Let the MLflow run of a resumed run run again; a completed one counts until it ends again.

        Returns:
            the tags that say so.
        """
        files = self._artifacts(live.mlflow_run)
        with portable.checked_files(live.run_id):
            run = run_in_environment(portable.run_from(files.read(portable.RUN_FILE)), [resumption])
        files.write(portable.RUN_FILE, portable.run_json(run))
        tags = {names.STRETCHES_TAG: display_stretches(run)}
        if live.mlflow_run.data.tags.get(names.STATUS_TAG) not in {None, Status.COMPLETED.value}:
            files.write(portable.RESULT_FILE, portable.result_json(RunResult(run, Status.RUNNING)))
            tags[names.STATUS_TAG] = Status.RUNNING.value
            if names.ERROR_TAG in live.mlflow_run.data.tags:
                tags[names.ERROR_TAG] = ""
        reopen_mlflow_run(self._store, live.run_id)
        return tags

    def _rewind(self, live: _LiveMlflowRun, rewind: Rewind) -> dict[str, str]:
        """Take back texts of a run that was rewound, and mark what stays of it.

        Returns:
            the tags that say so.
        """
        kept = delete_texts_by_rewinding(self._artifacts(live.mlflow_run), rewind.step)
        rewound = replace(live.rewound, texts=live.rewound.texts | kept)
        if not can_rewind_points(self._store):
            rewound = rewound.with_mark(rewind.step, display_milliseconds(rewind.time))
        if rewound:
            self._mark(live, rewound)
        return {names.REWOUND_TAG: display_rewind(rewind)} if rewound else {}

    def _mark(self, live: _LiveMlflowRun, rewound: portable.Rewound) -> None:
        self._artifacts(live.mlflow_run).write(portable.REWOUND_FILE, portable.rewound_json(rewound))
        live.rewound = rewound

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        """Store the result as artifacts and as metrics, then the status."""
        live = self._runs[run.run_id]
        run_id, ended = live.run_id, result.ended or time.time()
        with self._translate_errors("end the run"):
            files = self._artifacts(live.mlflow_run)
            files.write(portable.SERIES_FILE, portable.series_npz(result.histories))
            files.write(portable.RESULT_FILE, portable.result_json(replace(result, run=run)))
            for name, table in display_indexed_tables(result).items():
                files.write(name, table.encode())
            # The newest of several is shown, and the clock may have been set back since the run ended before.
            stamp = max(display_milliseconds(ended), (live.mlflow_run.info.end_time or 0) + 1)
            numbers = {
                names.mlflow_metric_key(names.BEST_METRICS, series.name): value
                for series, value in result.best.items()
                if series.index is None
            }
            if result.best_step is not None:
                numbers[names.BEST_STEP_METRIC] = float(result.best_step)
            tags = {names.STATUS_TAG: result.status.value, **display_source_tags(run.environment)}
            known = live.mlflow_run.data.tags
            if result.marks != RunMarks() or names.SENT_MARKS_TAG in known:
                there = names.sent_marks_without_mlflow_tags(known)
                changed = names.changed_mlflow_tags(known, there, result.marks)
                tags |= {name: value for name, value in changed.items() if value is not None}
            if result.error or names.ERROR_TAG in live.mlflow_run.data.tags:
                tags[names.ERROR_TAG] = display_value(result.error or "")
            self._log(run_id, [Metric(key, value, stamp, 0) for key, value in numbers.items()], tags=tags)
            self._end(run_id, result.status, ended)

    @hookimpl
    def legm_write_marks(self, run: Run, before: RunMarks, marks: RunMarks) -> None:
        """Set tags and the description; of the others, those that were noted before are deleted."""
        with self._translate_errors("set the tags"):
            experiment = self._find_experiment(run.configuration.experiment)
            tags = {names.KIND_TAG: names.RUN_KIND, names.RUN_ID_TAG: run.run_id}
            for found in [] if experiment is None else self._search(experiment, tags):
                for name, value in names.changed_mlflow_tags(found.data.tags, before, marks).items():
                    if value is None:
                        self._store.delete_tag(found.info.run_id, name)
                    else:
                        self._store.set_tag(found.info.run_id, RunTag(name, value))

    @hookimpl
    def legm_release_run(self, run: Run) -> None:
        """Drop the handle."""
        self._runs.pop(run.run_id, None)

    @hookimpl
    def legm_discard_run(self, run: Run) -> None:
        """Delete the MLflow run and its artifacts; a server keeps the rest in its trash.

        It is marked as deleted first, so that nobody sees a half of it, and found again by a second call.
        """
        with self._translate_errors("delete the run"):
            for one in self._stored_as(run, ViewType.ALL):
                if one.info.lifecycle_stage == "active":
                    self._store.delete_run(one.info.run_id)
                self._artifacts(one).delete_all(one.info.run_id)
                delete_mlflow_run_for_good(self._store, one.info.run_id)
            self._delete_unused_parent(run.configuration)

    def _stored_as(self, run: Run, view: int = ViewType.ACTIVE_ONLY) -> list[Any]:
        """The MLflow runs of a run with this configuration: several after a request whose answer never came.

        The one with the most comes first.
        """
        experiment = self._find_experiment(run.configuration.experiment)
        tags = {
            names.KIND_TAG: names.RUN_KIND,
            names.RUN_ID_TAG: run.run_id,
            names.FINGERPRINT_TAG: run.configuration.fingerprint,
        }
        return [] if experiment is None else self._most_received_first(experiment, tags, view)

    @hookimpl
    def legm_plan_change(self, run: Run, after: Run | None) -> StoredChange:
        """A run stays in its MLflow run if it stays in its experiment and MLflow can change its params."""
        with self._translate_errors("find the run"):
            found = next(iter(self._stored_as(run)), None)
            if found is None:
                return StoredChange(ChangeKind.ABSENT)
            noted = _noted_in_mlflow(found.data.tags)
            if after is None:
                return StoredChange(ChangeKind.DELETED, **noted)
            is_here = run.configuration.experiment == after.configuration.experiment
            stale = self._params_to_delete(found, run, after)
            is_changeable = is_here and (not stale or can_rewind_points(self._store))
            return StoredChange(ChangeKind.AMENDED if is_changeable else ChangeKind.REPLACED, **noted)

    def _params_to_delete(self, mlflow_run: Any, run: Run, after: Run) -> list[str]:
        before, now = (display_params(one.configuration, one.parameters) for one in (run, after))
        return amended_params_to_delete(mlflow_run.data.params, before, now)

    @hookimpl
    def legm_amend_run(self, run: Run, after: Run) -> None:
        """Change the params, files and tags of the MLflow run, the fingerprint last."""
        with self._translate_errors("change the run"):
            for found in self._stored_as(run):
                run_id = found.info.run_id
                rewrite_amended_run_file(self._artifacts(found), after)
                stale = self._params_to_delete(found, run, after)
                if stale:
                    delete_amended_params(self._store, run_id, stale)
                rename_amended_mlflow_run(
                    self._store, found, _mlflow_run_title(run), _mlflow_run_title(after)
                )
                described = amended_description_tags(found.data.tags, run, after)
                for name in [name for name, value in described.items() if value is None]:
                    self._store.delete_tag(run_id, name)
                tags = {
                    _PARENT_TAG: self._parent(after.configuration).info.run_id,
                    **_absent_values_tag(after.configuration, found.data.tags),
                    **{name: value for name, value in described.items() if value is not None},
                    names.FINGERPRINT_TAG: after.configuration.fingerprint,
                }
                self._log(run_id, params=display_params(after.configuration, after.parameters), tags=tags)
            if run.configuration.fingerprint != after.configuration.fingerprint:
                self._delete_unused_parent(run.configuration)
            elif run.configuration != after.configuration:  # its metadata, which the fingerprint leaves out
                parent = self._parent(after.configuration)
                rewrite_amended_run_file(self._artifacts(parent), replace(after, parameters={}))

    # Reading back

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult | StoredRun]:
        """The runs that the store finds by their tags, each read from its artifacts."""
        with self._translate_errors("read the runs"):
            experiment = self._find_experiment(query.experiment)
            if experiment is None:
                return
            tags = {names.KIND_TAG: names.RUN_KIND}
            if query.fingerprint is not None:
                tags[names.FINGERPRINT_TAG] = query.fingerprint
            if query.description is not None:
                tags[names.DESCRIPTION_DIGEST_TAG] = names.mlflow_description_digest(query.description)
            found: dict[str, Any] = {}
            for run in self._search(experiment, tags):
                if names.POSITION_TAG not in run.data.tags:  # it does not have its files yet
                    continue
                run_id = run.data.tags[names.RUN_ID_TAG]
                found[run_id] = max(found.get(run_id, run), run, key=_received_by_mlflow)
            with ThreadPoolExecutor(_READER_THREADS if self._is_server else 1) as readers:
                yield from readers.map(lambda run: self._read_stored(run, query.histories), found.values())

    @hookimpl
    def legm_read_files(self, configuration: Configuration) -> Iterator[StoredFile]:
        """The artifacts of the configuration's MLflow runs that were logged as files."""
        with self._translate_errors("list the files"):
            experiment = self._find_experiment(configuration.experiment)
            tags = {names.KIND_TAG: names.RUN_KIND, names.FINGERPRINT_TAG: configuration.fingerprint}
            for run in [] if experiment is None else self._search(experiment, tags):
                for name, size in self._artifacts(run).files(portable.ARTIFACTS):
                    yield StoredFile(run.data.tags[names.RUN_ID_TAG], unescape_name(name), size)

    @hookimpl
    def legm_read_file(self, run: Run, name: str, largest: int) -> bytes | None:
        """An artifact of the run that was logged as a file."""
        with self._translate_errors("read a file"):
            found = self._stored_as(run)
            artifacts = self._artifacts(found[0]) if found else None
            for path, size in () if artifacts is None else artifacts.files(portable.ARTIFACTS):
                if artifacts is not None and unescape_name(path) == name and size <= largest:
                    return artifacts.read(f"{portable.ARTIFACTS}/{path}")
            return None

    @hookimpl
    def legm_read_media(self, run: Run) -> Iterable[Media]:
        """Those in the index among the run's artifacts."""
        with self._translate_errors("read the media"):
            found = self._stored_as(run)
            return read_mlflow_media(self._artifacts(found[0]), found[0].data.tags) if found else ()

    @hookimpl
    def legm_read_media_file(self, run: Run, file: MediaFile) -> bytes | None:
        """An artifact of the run."""
        with self._translate_errors("read the media"):
            found = self._stored_as(run)
            return self._artifacts(found[0]).read(file.path) if found else None

    def _read_stored(self, run: Any, metrics: frozenset[str] | None) -> RunResult | StoredRun:
        with self._translate_errors(f"read the artifacts of the run {run.info.run_id}"):
            run_id = run.data.tags[names.RUN_ID_TAG]
            return portable.read_or_damaged(run_id, lambda: self._read_result(run, metrics))

    def _read_result(self, run: Any, metrics: frozenset[str] | None) -> RunResult:
        files, tags = self._artifacts(run), run.data.tags
        if tags.get(names.STATUS_TAG, Status.RUNNING.value) == Status.RUNNING.value:
            running = portable.run_from(files.read(portable.RUN_FILE))
            return replace(RunResult(running, Status.RUNNING), **_noted_in_mlflow(tags))
        fingerprint = tags[names.FINGERPRINT_TAG]
        if fingerprint not in self._configurations:
            self._configurations[fingerprint] = self._read_configuration(run)
        result, series = portable.result_from(
            files.read(portable.RESULT_FILE), self._configurations[fingerprint]
        )
        if metrics is None or any(one.name in metrics for one in series):
            histories = portable.series_from(files.read(portable.SERIES_FILE), series, metrics)
            result = replace(result, histories=histories)
        return replace(result, **_noted_in_mlflow(tags))

    @hookimpl
    def legm_read_experiments(self) -> Iterator[str]:
        """The names of the experiments that legm created, without those whose runs were all deleted."""
        with self._translate_errors("list the experiments"):
            token = None
            while self._exists():
                page = self._store.search_experiments(ViewType.ACTIVE_ONLY, 1000, page_token=token)
                of_run = {names.KIND_TAG: names.RUN_KIND}
                yield from (
                    one.tags[names.EXPERIMENT_TAG]
                    for one in page
                    if names.EXPERIMENT_TAG in one.tags
                    and any(self._search(one.experiment_id, of_run, page_size=1))
                )
                token = page.token
                if not token:
                    return

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> Iterator[Configuration]:
        """The configurations, each read from its own MLflow run."""
        with self._translate_errors("read the configurations"):
            number = self._find_experiment(experiment)
            if number is None:
                return
            seen: dict[str, Any] = {}
            for run in self._search(number, {names.KIND_TAG: names.CONFIGURATION_KIND}):
                if _is_incomplete_mlflow_run(run):
                    continue
                seen.setdefault(run.data.tags[names.FINGERPRINT_TAG], run)
            with ThreadPoolExecutor(_READER_THREADS if self._is_server else 1) as readers:
                yield from readers.map(self._read_configuration, seen.values())

    def _read_configuration(self, run: Any) -> Configuration:
        """The configuration of an MLflow run; where its file is damaged, from another one of that."""
        try:
            return self._configuration_in(run)
        except ValueError:
            fingerprint = run.data.tags[names.FINGERPRINT_TAG]
            for kind in (names.CONFIGURATION_KIND, names.RUN_KIND):
                tags = {names.KIND_TAG: kind, names.FINGERPRINT_TAG: fingerprint}
                for other in self._search(run.info.experiment_id, tags):
                    with contextlib.suppress(ValueError):
                        return self._configuration_in(other)
            raise

    def _configuration_in(self, run: Any) -> Configuration:
        with portable.checked_files(f"{run.info.run_id} of MLflow"):
            return portable.run_from(self._artifacts(run).read(portable.RUN_FILE)).configuration

    # Results over runs

    @hookimpl
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Store aggregates as metrics, as a table in the note, and all of them as an artifact."""
        with self._translate_errors("store the aggregates"):
            parent = self._parent(configuration)
            values, now = aggregated_summary_as_dict(summary), display_milliseconds(time.time())
            prefix = f"{names.AGGREGATE_METRICS} ({description})" if description else names.AGGREGATE_METRICS
            metrics = [
                Metric(names.mlflow_metric_key(prefix, name, field), float(value), now, 0)
                for name, aggregate in summary.values.items()
                if isinstance(aggregate, Aggregate)
                for field, value in values[name].items()
                if isinstance(value, (int, float))
            ]
            files = self._artifacts(parent)
            files.write(names.mlflow_aggregates_file_name(description), json.dumps(values, indent=1).encode())
            note = display_configuration_note(configuration, description, summary)
            self._log(parent.info.run_id, metrics, tags={_NOTE_TAG: note})
            experiment = self._experiment(configuration.experiment)
            tags = {names.KIND_TAG: names.RUN_KIND, names.FINGERPRINT_TAG: configuration.fingerprint}
            for run in self._search(experiment, tags):
                if run.data.tags.get(_PARENT_TAG) != parent.info.run_id:
                    self._store.set_tag(run.info.run_id, RunTag(_PARENT_TAG, parent.info.run_id))

    @hookimpl
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Store each curve as a table."""
        with self._translate_errors("store the curves"):
            files = self._artifacts(self._parent(configuration))
            for curve in curves:
                files.write(
                    names.mlflow_curve_file_name(description, curve.metric), portable.curve_csv(curve)
                )

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
        """Store a figure with the configuration, or with the experiment's comparisons."""
        with self._translate_errors("store the figure"):
            if configuration is not None:
                run = self._parent(configuration)
            else:
                kind = names.COMPARISON_KIND
                run = self._unique_run(
                    self._experiment(experiment),
                    kind,
                    {names.KIND_TAG: kind},
                )
            path = names.mlflow_figure_file_name(description, name, format)
            files = self._artifacts(run)
            files.write(path, content)
            return files.location(path)

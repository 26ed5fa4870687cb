"""Runs on a W&B server, read through W&B's public API; W&B must be installed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from legm.backends.wandb import names
from legm.core.credentials import redact_url_password
from legm.core.step_metrics import MetricDefinition, MetricDefinitions
from legm.errors import StorageError
from legm.importers.external_run import ExternalFile, ExternalMedium, ExternalRun
from legm.importers.import_notes import ImportNotes
from legm.importers.wandb.history_files import histogram_files
from legm.importers.wandb.history_rows import restore_non_finite_history
from legm.importers.wandb.json_items import flatten_json
from legm.importers.wandb.run_conversion import (
    INTERNAL_ARTIFACT_TYPES,
    ExternalWandbRun,
    WandbRecord,
    convert_wandb_run,
    note_rounded_wandb_run,
    wandb_summary_numbers,
)
from legm.importers.wandb.run_fold import WandbRunFold
from legm.importers.wandb.run_metadata import parse_wandb_json_mapping, wandb_origin_in_metadata
from legm.importers.wandb.server_artifacts import (
    ServerArtifactTables,
    is_safe_artifact_name,
    open_wandb_artifact_download,
    wandb_artifact_files,
    wandb_artifact_origin,
    wandb_server_problem_text,
)
from legm.importers.wandb.server_history import scanned_server_history
from legm.records import Display, MediaKind, Points, Status

__all__ = ["WandbServerSource", "is_wandb_server_address"]

T = TypeVar("T")

_ADDRESS_FORMS = (
    "wandb:ENTITY/PROJECT, wandb:ENTITY for all its projects, wandb:ENTITY/PROJECT/RUN, "
    "or the address of a project's page"
)
_CLOUD = "https://api.wandb.ai"
_PAGES = frozenset({"workspace", "table", "overview", "runs"})
_STATUSES = {
    "finished": Status.COMPLETED,
    "failed": Status.FAILED,
    "crashed": Status.INTERRUPTED,  # it stopped sending heartbeats
    "killed": Status.INTERRUPTED,
}
_RUNS, _BATCH = 50, 1 << 16
_SAMPLES = 10_000  # of system metrics: two days, at W&B's interval of 15 seconds
_TIMEOUT = 60
_MAX_METADATA_BYTES = 16 << 20
_SUMMARIES = {1: "min", 2: "max", 4: "best"}
_MAXIMIZE, _SYNCED = 2, 1  # codes in the metrics part of a configuration


def is_wandb_server_address(text: str) -> bool:
    """Whether a source is on a W&B server: ``wandb:…``, or a page of wandb.ai or WANDB_BASE_URL."""
    if text.startswith("wandb:"):
        return True
    if not text.startswith(("http://", "https://")):
        return False
    own = urlsplit(os.environ.get("WANDB_BASE_URL", "")).netloc
    return urlsplit(text).netloc.rpartition("@")[2] in {"wandb.ai", own.rpartition("@")[2]} - {""}


class WandbServerSource:
    """The runs of an entity, a project, or one run, on a W&B server.

    Args:
        address: ``wandb:ENTITY/PROJECT``, ``wandb:ENTITY``, ``wandb:ENTITY/PROJECT/RUN``, or the address of a
            project's or a run's page.
        deleted: has no effect: deleted runs are gone.

    Raises:
        StorageError: W&B is not installed, there is no login, or the address is invalid.
    """

    kind = "wandb"

    def __init__(self, address: str, *, deleted: bool = False) -> None:  # noqa: ARG002 - as every source
        self.location = redact_url_password(address)
        self.notes = ImportNotes()
        self._entity, self._project, self._run_id = _parse_wandb_server_address(address)
        try:
            import wandb

            from legm.util.wandb_session import WandbSession
        except ImportError as cause:
            raise StorageError(f"to read {self.location}, install W&B: pip install 'legm[wandb]'") from cause
        is_cloud = urlsplit(address).hostname == "wandb.ai"
        self._session = WandbSession({"base_url": _CLOUD} if is_cloud else {})
        if not self._session.has_login:
            raise StorageError(
                f"there is no login for {self._session.url}: run `wandb login`, or set WANDB_API_KEY"
            )
        with self._translate_errors("log in"):
            self._api: Any = wandb.Api(
                overrides={"base_url": self._session.url}, timeout=_TIMEOUT, api_key=self._session.api_key
            )

    @contextlib.contextmanager
    def _translate_errors(self, what: str) -> Iterator[None]:
        """Call W&B, and translate its errors."""
        try:
            with self._session.active():
                yield
        except StorageError:
            raise
        except Exception as cause:  # the SDK raises many kinds, some of other libraries
            raise StorageError(
                f"cannot {what} of {self.location}: {wandb_server_problem_text(cause)}"
            ) from cause

    def _iterate(self, what: str, items: Iterable[T]) -> Iterator[T]:
        """Iterate over what W&B fetches page by page, translating its errors."""
        with self._translate_errors(what):
            waiting = iter(items)
        while True:
            with self._translate_errors(what):
                item = next(waiting, None)
            if item is None:
                return
            yield item

    def runs(self) -> Iterator[ExternalRun]:
        """Every run, project by project, oldest first."""
        self._api.flush()  # it caches earlier answers
        for project in self._projects():
            path = f"{self._entity}/{project}"
            if self._run_id:
                with self._translate_errors("read the run"):
                    found: Iterable[Any] = [self._api.run(f"{path}/{self._run_id}")]
            else:
                found = self._api.runs(path, order="+created_at", per_page=_RUNS, lazy=False)
            for run in self._iterate("list the runs", found):
                external = self._read_run(run)
                if external is not None:
                    yield external

    def number_of_runs(self) -> int:
        """How many runs the server says there are."""
        if self._run_id:
            return 1
        with self._translate_errors("count the runs"):
            return sum(len(self._api.runs(f"{self._entity}/{one}", per_page=1)) for one in self._projects())

    def _projects(self) -> list[str]:
        if self._project:
            return [self._project]
        found = self._iterate("list the projects", self._api.projects(self._entity))
        return sorted(str(one.name) for one in found)

    def run(self, key: str) -> ExternalRun:
        """The run with a key."""
        self._api.flush()
        with self._translate_errors("read the run"):
            found = self._read_run(self._api.run(key))
        if found is None:
            raise StorageError(f"{self.location} no longer has the run {key}")
        return found

    def close(self) -> None:
        """Do nothing: no connection is held open."""

    def _read_run(self, run: Any) -> ExternalRun | None:
        with self._translate_errors("read a run"):
            described = self._describe(run)
        logged = self._artifacts(run, described)
        artifacts = [one for one in logged if not str(one.type).startswith(INTERNAL_ARTIFACT_TYPES)]
        tables = ServerArtifactTables(self._api, logged, self.notes)
        origin = {"artifacts": [wandb_artifact_origin(one) for one in artifacts]} if artifacts else {}
        made = self._origin_in_metadata(run, described)
        described = replace(described, origin={**made, **described.origin, **origin})
        return convert_wandb_run(
            described,
            lambda: self._read_records(run, described),
            lambda: [
                *self._all_run_files(run, described, tables),
                *wandb_artifact_files(artifacts, described.key, self.notes),
            ],
            lambda: self._run_files(run, described),
            self.notes,
        )

    def _describe(self, run: Any) -> ExternalWandbRun:
        state = str(run.state)
        status = _STATUSES.get(state, Status.RUNNING)
        user = getattr(run, "user", None)
        origin = {
            "sweep": run.sweep_name,
            "user": getattr(user, "username", None),
            "commit": getattr(run, "commit", None),
            "state": state,
        }
        summary = {
            name: restore_non_finite_history(value)
            for name, value in flatten_json(run.summary_metrics).items()
        }
        return ExternalWandbRun(
            run_id=str(run.id),
            project=str(run.project),
            entity=str(run.entity),
            name=str(run.name or ""),
            group=str(run.group or ""),
            job_type=str(run.job_type or ""),
            notes=str(run.notes or ""),
            tags=tuple(map(str, run.tags or ())),
            status=status,
            error=f"W&B reports that it {state}" if status in {Status.FAILED, Status.INTERRUPTED} else None,
            started=_parse_wandb_server_time(run.created_at) or 0.0,
            ended=None
            if status is Status.RUNNING
            else _parse_wandb_server_time(getattr(run, "heartbeat_at", None)),
            parameters=flatten_json(run.config),
            summary={name: value for name, value in summary.items() if name[:1] != "_"},
            origin={name: value for name, value in origin.items() if value},
        )

    def _origin_in_metadata(self, run: Any, described: ExternalWandbRun) -> dict[str, Any]:
        """What W&B's own file of the run says; what is wrong with it costs no more than these facts."""
        if names.RUN_KEY in described.parameters or names.EXPERIMENT_KEY in described.parameters:
            return {}  # it is legm's, which says where it comes from itself
        found: dict[str, Any] = {}
        try:
            with self._session.active():
                found = wandb_origin_in_metadata(_wandb_server_metadata(run))
        except Exception as cause:  # noqa: BLE001 - the SDK has many kinds
            problem = wandb_server_problem_text(cause)
            self.notes.add(f"{names.METADATA_FILE} of runs that cannot be read: {problem}", described.key)
        commit = described.origin.get("commit")
        if commit and "commit" not in found.get("git", {}):
            found["git"] = {"commit": str(commit), **found.get("git", {})}
        return found

    def _read_records(self, run: Any, described: ExternalWandbRun) -> Iterator[WandbRecord]:
        fold = WandbRunFold(started=described.started)
        yield fold.definitions
        with self._translate_errors("read the history"):
            rows = scanned_server_history(run)
            # For a listed run the SDK drops what its configuration says about metrics.
            alone = run if "_wandb" in run.rawconfig else self._api.run(described.key)
            _add_wandb_server_definitions(fold.definitions, alone.rawconfig)
        for row in self._iterate("read the history", rows):
            fold.add_row(row)
            if fold.pending >= _BATCH:
                yield from fold.take_new()
        yield from self._read_system_metrics(run, described, fold)
        yield from fold.take_new()
        summary = fold.own_summary(
            {name: restore_non_finite_history(one) for name, one in run.summary_metrics.items()}
        )
        yield from wandb_summary_numbers(summary, fold.step, fold.ended)
        note_rounded_wandb_run(self.notes, described.key, fold.rounded, summary)
        if fold.best is not None:
            yield fold.best

    def _read_system_metrics(
        self, run: Any, described: ExternalWandbRun, fold: WandbRunFold
    ) -> Iterator[Points | Display]:
        """What W&B's monitor recorded; W&B's interface has no pages of it, but a number of samples."""
        if names.RUN_KEY in described.parameters:
            return  # it is legm's, which records its own: W&B's are of whatever process sent the run
        with self._translate_errors("read the system metrics"):
            rows = run.history(samples=_SAMPLES, pandas=False, stream="system") if run.system_metrics else ()
        if len(rows) >= _SAMPLES:
            self.notes.add(f"of the system metrics {_SAMPLES:,} samples were imported", described.key)
        for row in rows:
            fold.add_system_row(row)
            if fold.pending >= _BATCH:
                yield from fold.take_new()

    # Files

    def _all_run_files(
        self, run: Any, described: ExternalWandbRun, tables: ServerArtifactTables
    ) -> Iterator[ExternalFile]:
        """The files of a run, at the end those of its media, as its history names them."""
        files = {file.name: file for file in self._run_files(run, described)}
        is_native = names.RUN_KEY in described.parameters
        fold, histograms = WandbRunFold(started=described.started), list[ExternalFile]()
        if not is_native:
            histograms += histogram_files(self._read_history(run, fold))
        yield from (file for name, file in files.items() if name not in fold.media)
        for name, media in fold.media.items():
            for medium in media:
                if name in files:
                    yield replace(files[name], medium=medium)
                if medium.kind is MediaKind.TABLE and name in fold.table_artifacts:
                    with self._translate_errors("read the media of a table"):
                        inner = list(tables.media(medium, fold.table_artifacts[name], described.run_id))
                    yield from inner
        yield from histograms

    def _read_history(self, run: Any, fold: WandbRunFold) -> Iterator[tuple[ExternalMedium, bytes]]:
        """Read the history once more, for what its media are; returns the histograms in it."""
        with self._translate_errors("read the history"):
            rows = scanned_server_history(run)
        for row in self._iterate("read the history", rows):
            fold.add_row(row)
            if fold.pending >= _BATCH:
                yield from fold.take_histograms()
        yield from fold.take_histograms()

    def _run_files(self, run: Any, described: ExternalWandbRun) -> Iterator[ExternalFile]:
        for file in self._iterate("list the files", run.files()):
            name = str(file.name)
            if not is_safe_artifact_name(name):
                self.notes.add(
                    "files whose names lead out of the run's folder were left out", f"{described.key}: {name}"
                )
            elif file.size:
                yield ExternalFile(
                    name, partial(open_wandb_artifact_download, name, partial(file.download, replace=True))
                )
            else:
                yield ExternalFile.from_path(name, Path(os.devnull))

    def _artifacts(self, run: Any, described: ExternalWandbRun) -> list[Any]:
        """The artifacts that a run logged, W&B's own too."""
        if names.RUN_KEY in described.parameters or names.EXPERIMENT_KEY in described.parameters:
            return []  # it is legm's, which logs none
        return list(self._iterate("list the artifacts", run.logged_artifacts()))


def _wandb_server_metadata(run: Any) -> dict[str, Any]:
    """What is in the file that says where a run comes from; nothing where the run has none.

    Raises:
        ValueError: it is too large, or not what W&B writes.
        Exception: any of the SDK's: it cannot be fetched.
    """
    try:
        file = run.file(names.METADATA_FILE)
    except IndexError:
        return {}
    if file.name != names.METADATA_FILE or not file.size:  # a server may answer for a file that is not there
        return {}
    if file.size > _MAX_METADATA_BYTES:
        raise ValueError(f"it has more than {_MAX_METADATA_BYTES >> 20} MiB")
    with open_wandb_artifact_download(file.name, partial(file.download, replace=True)) as opened:
        content = opened.read(_MAX_METADATA_BYTES + 1)
    if len(content) > _MAX_METADATA_BYTES:
        raise ValueError(f"it has more than {_MAX_METADATA_BYTES >> 20} MiB")
    return parse_wandb_json_mapping(content)


def _parse_wandb_server_address(address: str) -> tuple[str, str, str]:
    """The entity, project and run of an address; "" if missing.

    Raises:
        StorageError: it is not an address of runs.
    """
    is_page = not address.startswith("wandb:")
    path = urlsplit(address).path if is_page else address.removeprefix("wandb:")
    parts = [unquote(part) for part in path.split("/") if part]
    if len(parts) > 2 and parts[2] in _PAGES:
        parts = [*parts[:2], *(parts[3:4] if parts[2] == "runs" else ())]
    if not 1 <= len(parts) <= 3 or (is_page and len(parts) < 2):
        raise StorageError(
            f"{redact_url_password(address)!r} is not an address of W&B runs: pass {_ADDRESS_FORMS}"
        )
    entity, project, run_id = [*parts, "", ""][:3]
    return entity, project, run_id


def _parse_wandb_server_time(moment: Any) -> float | None:
    """Parse a time of W&B, a text in UTC, with or without a time zone."""
    try:
        found = datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def _add_wandb_server_definitions(definitions: MetricDefinitions, config: Mapping[str, Any]) -> None:
    """Add what ``define_metric`` set, which the configuration holds as field numbers of W&B's messages."""
    internal = config.get("_wandb")
    known = [
        one
        for one in (internal.get("m") if isinstance(internal, dict) else None) or ()
        if isinstance(one, dict)
    ]
    for one in known:
        name, chosen, options = one.get("1") or one.get("2"), one.get("7"), one.get("6")
        if isinstance(name, str):
            kinds = chosen if isinstance(chosen, list) else ()
            definitions.define(
                MetricDefinition(
                    name,
                    _wandb_server_step_metric(one, known),
                    isinstance(options, list) and _SYNCED in options,
                    tuple(_SUMMARIES[kind] for kind in kinds if kind in _SUMMARIES),
                    one.get("8") == _MAXIMIZE,
                )
            )


def _wandb_server_step_metric(one: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> str | None:
    """The step metric of a metric, which may be a name, or the number of a metric in the list, from 1 on."""
    name, number = one.get("4"), one.get("5")
    if isinstance(name, str) and name:
        return name
    if isinstance(number, int) and 0 < number <= len(known):
        found = known[number - 1].get("1")
        return found if isinstance(found, str) else None
    return None

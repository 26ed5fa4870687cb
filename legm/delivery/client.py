"""Calls a backend's hooks: typed, with errors translated and capabilities checked.

Where a run goes to several backends, the first is the primary, which reads come from; the others are its
mirrors, whose errors are logged and never fail a call.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from legm.core.identity import fingerprint
from legm.core.naming import safe_name, shorten_name
from legm.core.record_files import artifacts_of_media_files
from legm.core.rewinding import without_rewound
from legm.core.texts import escape_unprintable_text
from legm.delivery import circuit_breaker
from legm.delivery.circuit_breaker import CircuitBreaker, circuit_breaker_of, waiting_reported
from legm.delivery.mirrored_marks import with_marks_of_folders
from legm.delivery.registry import (
    DeferredBackend,
    backend_plugin_manager,
    make_backends,
    media_kinds_of,
)
from legm.errors import BackendError, LegmError, NotSupported, storage_error
from legm.hooks import Backend, Capability, still_working
from legm.media.content_files import checked_media_content
from legm.records import (
    Artifact,
    ChangeKind,
    Configuration,
    Curve,
    Display,
    EnvironmentUpdate,
    Media,
    MediaFile,
    MediaKind,
    Outcome,
    Plain,
    Query,
    Record,
    Resumption,
    Rewind,
    Run,
    RunCounts,
    RunMarks,
    RunResult,
    StoredChange,
    StoredFile,
    StoredRun,
    Summary,
)
from legm.runlog.configuration_folders import refuse_folder_links, refuse_linked_configuration_folder
from legm.runlog.file_names import OWN_FOLDER
from legm.runlog.log_folder import LogFolder
from legm.runlog.marks_files import runs_with_marks
from legm.stats.run_counts import count_by_description

__all__ = ["BackendClient", "connect_client"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_STILL_ANSWERING = (
    "the backend %r is still at work in %s after %g s, and is waited for: only a mirror, or a backend that "
    "declares Capability.REMOTE, is given up"
)
_PATIENCE = 30.0  # seconds that storing what was computed over runs may take in the mirrors
_NEEDS = {
    Artifact: Capability.ARTIFACTS,
    Display: Capability.DISPLAYS,
    Resumption: Capability.RESUME,
    Rewind: Capability.RESUME,
    EnvironmentUpdate: Capability.PROVENANCE,
}


def connect_client(
    root: str | os.PathLike[str],
    backend: object = "local",
    options: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
    read_only: bool = False,
) -> BackendClient:
    """The client of a backend, or of several: the primary, which has the others as its mirrors.

    Args:
        root: the root directory.
        backend: a name, a class that is called with the root directory and options, or an instance; or a
            list of these, the primary first.
        options: the backend's own; for a list of backends, by the backend's name.
        strict: whether it is an error that a mirror could not accept something.
        read_only: whether what is computed over runs is not stored.

    Raises:
        BackendError: a backend is unknown or does not fit.
    """
    folder = Path(root)
    primary, *mirrors = make_backends(backend, folder, options or {}, strict=strict)
    clients = [BackendClient(one, folder, is_mirror=True) for one in mirrors]
    return BackendClient(primary, folder, clients, strict=strict, read_only=read_only)


class BackendClient:
    """Calls one backend's hooks; the client of the primary has those of its mirrors.

    Args:
        backend: where the records go, and where reads come from.
        root: the root directory.
        mirrors: the clients of the other backends, which receive the same records.
        strict: whether it is an error that a mirror could not accept something.
        read_only: whether what is computed over runs is not stored.
        is_mirror: whether the backend is a mirror itself.

    Every method raises a :class:`~legm.errors.LegmError` where the backend fails: its own as they are, any
    other one as a :class:`~legm.errors.BackendError` that names the backend and the hook. A mirror or a
    remote backend that does not answer is such a failure too (see :mod:`legm.delivery.circuit_breaker`).
    """

    def __init__(
        self,
        backend: Backend | DeferredBackend,
        root: Path,
        mirrors: Sequence[BackendClient] = (),
        *,
        strict: bool = False,
        read_only: bool = False,
        is_mirror: bool = False,
    ) -> None:
        self.backend = backend
        self.root = root
        self.mirrors = tuple(mirrors)
        self.strict = strict
        self.read_only = read_only
        self._may_be_away = is_mirror or Capability.REMOTE in backend.capabilities
        self._breaker = circuit_breaker_of(backend, root)
        self._process = os.getpid()
        self._reported: set[str] = set()
        self._hooks = {} if isinstance(backend, DeferredBackend) else _client_hooks(backend)

    # What it is

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def breaker(self) -> CircuitBreaker:
        """Knows whether the backend answers; all clients of the same store in this process share it."""
        if self._process != os.getpid():  # a fork has none of the threads that wait
            self._breaker, self._process = circuit_breaker_of(self.backend, self.root), os.getpid()
        return self._breaker

    @property
    def is_remote(self) -> bool:
        """Whether the backend is not on this machine, and may be slow or unreachable."""
        return self.supports(Capability.REMOTE)

    @property
    def with_mirrors(self) -> tuple[BackendClient, ...]:
        """This client and those of its mirrors."""
        return (self, *self.mirrors)

    @property
    def options(self) -> dict[str, Plain]:
        """The options that make the backend again with the root directory; they hold no credentials."""
        return dict(getattr(self.backend, "options", {}))

    @property
    def backend_options(self) -> dict[str, dict[str, Plain]]:
        """The options that make each backend again, by its name, the mirrors among them."""
        return {client.name: client.options for client in self.with_mirrors}

    def supports(self, capability: Capability) -> bool:
        """Whether the backend has a capability."""
        return capability in self.backend.capabilities

    def supports_media(self, kind: MediaKind) -> bool:
        """Whether the backend stores media of a kind as such."""
        return kind in media_kinds_of(self.backend)

    def require(self, capability: Capability, wanted: str) -> None:
        """Refuse what the backend does not support.

        Raises:
            NotSupported: it lacks the capability.
        """
        if not self.supports(capability):
            known = ", ".join(sorted(c.value for c in self.backend.capabilities)) or "none"
            raise NotSupported(
                f"{wanted} needs the capability {capability.value!r}, which the backend {self.name!r} "
                f"does not support (supported: {known})"
            )

    # Calls

    def _call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook of the backend."""

        def call_hook() -> Any:
            still_working()
            self._make_deferred()
            answer = self._hooks[hook](**arguments)
            still_working()
            return answer

        try:
            if self._may_be_away and not self.breaker.is_watching:
                return self.breaker.call(call_hook)
            with self._waiting_reported(hook):
                return call_hook()
        except (LegmError, KeyboardInterrupt):
            raise
        except BaseException as cause:  # a plugin's own, such as asyncio's CancelledError
            raise self._failed(hook, _client_error_with_run(arguments), cause) from cause

    def _waiting_reported(self, hook: str) -> AbstractContextManager[None]:
        """Say in the log which call hangs of a backend that is never given up.

        One that may be away is watched; and where a backend's folders hang, so does the run log.
        """
        if self._may_be_away or self.supports(Capability.FOLDERS):
            return contextlib.nullcontext()
        seconds = circuit_breaker.PATIENCE
        return waiting_reported(seconds, _STILL_ANSWERING, self.name, hook, seconds)

    def _make_deferred(self) -> None:
        """Make the backend now, where it could not be made before."""
        if isinstance(self.backend, DeferredBackend):
            backend = self.backend.make()
            self._hooks = _client_hooks(backend)
            self.backend = backend

    def _iterate(self, hook: str, wanted: str, found: Iterable[T]) -> Iterator[T]:
        """Iterate over what a hook returned; a generator still does its work meanwhile."""
        last = ""
        has_deadline = self._may_be_away and not self.breaker.is_watching
        iterator = self.breaker.iterate(found) if has_deadline else iter(found)
        while True:
            try:
                one = next(iterator)
            except StopIteration:
                return
            except (LegmError, KeyboardInterrupt):
                raise
            except BaseException as cause:
                raise self._failed(hook, f" {wanted}{last}", cause) from cause
            if isinstance(one, RunResult):
                last = f", after the run {one.run.run_id}"
            yield one

    def _failed(self, hook: str, where: str, cause: BaseException) -> BackendError:
        return BackendError(f"the backend {self.name!r} failed in {hook}{where}: {cause!r}")

    # Reading

    def experiments(self) -> list[str]:
        """The names of the backend's experiments, sorted.

        Raises:
            NotSupported: the backend does not list them.
        """
        if not self.supports(Capability.EXPERIMENTS):
            raise NotSupported(
                f"the backend {self.name!r} does not list its experiments: name one, as in ROOT/EXPERIMENT"
            )
        found = self._call("legm_read_experiments")
        return sorted(self._iterate("legm_read_experiments", "among the experiments", found or ()))

    def configurations(self, experiment: str) -> Iterator[Configuration]:
        """Every configuration of an experiment that has a run, each once."""
        found = self._call("legm_read_configurations", experiment=experiment)
        return self._iterate("legm_read_configurations", f"for the experiment {experiment!r}", found or ())

    def runs_as_stored(self, query: Query) -> Iterator[RunResult]:
        """The runs that a query asks for, each once, in any order, as the backend has them now.

        Runs whose process died may still have to be finalized: :func:`legm.delivery.reading.read_runs` does
        that first.

        Raises:
            BackendError: the stored files of a run are damaged.
        """
        for one in self._read_runs(query):
            if isinstance(one, StoredRun):
                cause = ValueError(one.problem)
                raise self._failed("legm_read_runs", f" {_client_query_text(query)}", cause) from cause
            yield one

    def intact_runs_as_stored(
        self, query: Query, report: Callable[[StoredRun], None] | None = None
    ) -> Iterator[RunResult]:
        """The same without the runs whose stored files are damaged.

        Args:
            query: which runs.
            report: takes each damaged one; by default it is logged, once.
        """
        for one in self._read_runs(query):
            if not isinstance(one, StoredRun):
                yield one
            elif report is not None:
                report(one)
            elif one.problem not in self._reported:
                self._reported.add(one.problem)
                shown = escape_unprintable_text(one.problem)  # the store may be somebody else's
                log.error("%s; it is left out, and the other runs count", shown)

    def _read_runs(self, query: Query) -> Iterator[RunResult | StoredRun]:
        found = self._call("legm_read_runs", query=query)
        runs = self._iterate("legm_read_runs", _client_query_text(query), found or ())
        if self.supports(Capability.FOLDERS) or self.supports(Capability.MARKS):
            return runs
        return with_marks_of_folders(self.root, runs)

    def counts_as_stored(self, experiment: str) -> list[RunCounts]:
        """The runs of every configuration of an experiment, counted by description.

        They are not finalized either; those whose stored files are damaged are left out, which is logged.
        """
        found = self._call("legm_read_counts", experiment=experiment)
        if found is not None:
            counts = self._iterate("legm_read_counts", f"for the experiment {experiment!r}", found)
            return [
                one if one.folder is not None else replace(one, folder=self._folder_text(one.configuration))
                for one in counts
            ]
        configurations = {one.fingerprint: one for one in self.configurations(experiment)}
        runs: dict[str, list[RunResult]] = {}
        for run in self.intact_runs_as_stored(Query(experiment)):
            configuration = run.run.configuration
            configurations.setdefault(configuration.fingerprint, configuration)
            runs.setdefault(configuration.fingerprint, []).append(run)
        return [
            one
            for fingerprint, c in configurations.items()
            for one in count_by_description(
                c, self._with_marks(c, runs.get(fingerprint, ())), self._folder_text(c)
            )
        ]

    def _with_marks(self, configuration: Configuration, runs: Sequence[RunResult]) -> Iterable[RunResult]:
        folder = self.folder(configuration) if runs else None
        return runs if folder is None else runs_with_marks(runs, LogFolder.of(folder))

    def files(self, configuration: Configuration) -> list[StoredFile]:
        """The files that runs of a configuration logged, by run and name; none if the backend lists none."""
        found = self._call("legm_read_files", configuration=configuration)
        files = self._iterate("legm_read_files", f"for the configuration {configuration.name!r}", found or ())
        return sorted(files, key=lambda file: (file.run_id, file.name))

    def logged_file(self, run: Run, name: str, largest: int) -> bytes | None:
        """The content of a file that a run logged.

        Args:
            run: the run.
            name: the name under which the run logged it.
            largest: the most bytes that are wanted.

        Returns:
            None where the backend has no such file, or a larger one, or does not read files.
        """
        content: bytes | None = self._call("legm_read_file", run=run, name=name, largest=largest)
        return content

    def media(self, run: Run) -> list[Media]:
        """The media of a run, without those that a rewind made void; in the order they were logged.

        Raises:
            NotSupported: the backend does not return media.
        """
        self.require(Capability.MEDIA, "reading media")
        found = self._call("legm_read_media", run=run)
        return list(self._iterate("legm_read_media", f"for the run {run.run_id}", found or ()))

    def media_content(self, run: Run, file: MediaFile) -> bytes:
        """The content of a file of a medium, as :meth:`media` returned it.

        Raises:
            CorruptFile: it is not the content that was logged.
            StorageError: it cannot be read.
        """
        content: bytes | None = self._call("legm_read_media_file", run=run, file=file)
        return checked_media_content(file, content)

    def _folder_text(self, configuration: Configuration) -> str | None:
        folder = self.folder(configuration)
        return None if folder is None else str(folder)

    # Folders

    def folder(self, configuration: Configuration) -> Path | None:
        """The folder of a configuration's run logs and files; None where there is none yet.

        It is the backend's folder, or one below the root directory for a backend that has none.
        """
        if self.supports(Capability.FOLDERS):
            found: Path | None = self._call("legm_folder", configuration=configuration, create=False)
            return found
        folder = self._own_folder(configuration)
        return folder if folder.exists() else None

    def make_folder(self, configuration: Configuration) -> Path:
        """The folder of a configuration's run logs and files, created where there is none yet.

        Raises:
            StorageError: it cannot be created.
        """
        if self.supports(Capability.FOLDERS):
            made: Path | None = self._call("legm_folder", configuration=configuration, create=True)
            if made is None:
                raise BackendError(f"the backend {self.name!r} created no folder in legm_folder")
            return made
        folder = self._own_folder(configuration)
        refuse_folder_links(folder.parent.parent, folder.parent, folder)
        refuse_linked_configuration_folder(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise storage_error("create the folder", folder, cause) from cause
        return folder

    def _own_folder(self, configuration: Configuration) -> Path:
        experiment = shorten_name(safe_name(configuration.experiment), configuration.fingerprint)
        return self.root / OWN_FOLDER / experiment / configuration.fingerprint

    def own_folder_of_experiment(self, experiment: str) -> Path:
        """The folder for what legm keeps of a whole experiment, which need not exist yet.

        It is ``.legm`` in the backend's folder of the experiment, or below the root directory for a backend
        that has none.
        """
        if self.supports(Capability.FOLDERS):  # any other one is not asked: it may be away
            found: Path | None = self._call("legm_experiment_folder", experiment=experiment)
            if found is not None:
                return found / OWN_FOLDER
        name = shorten_name(safe_name(experiment), fingerprint(experiment, {}))
        return self.root / OWN_FOLDER / name

    # One run

    def open_run(self, run: Run, *, make_folder: bool = False) -> int | None:
        """Begin a run, or resume it.

        Args:
            run: the run.
            make_folder: whether its configuration may have no folder yet.

        Returns:
            the byte of the run log up to which the backend has it; None where it does not say.
        """
        self._make_deferred()
        if make_folder and self.supports(Capability.FOLDERS):
            self.make_folder(run.configuration)
        position: int | None = self._call("legm_open_run", run=run)
        return position

    def write(self, run: Run, records: Sequence[Record], position: int) -> None:
        """Write records, except outcomes (the run's end has them) and what the backend does not support.

        Args:
            run: the open run.
            records: those since the last batch.
            position: the run log's position after them, in bytes.
        """
        given = [
            record
            for record in self._media_as_supported(records)
            if not isinstance(record, Outcome)
            and (type(record) not in _NEEDS or self.supports(_NEEDS[type(record)]))
        ]
        if given:
            self._call("legm_write", run=run, records=given, position=position)

    def _media_as_supported(self, records: Sequence[Record]) -> Iterator[Record]:
        """The records, with the files of media as artifacts where the backend has no media of their kind."""
        for record in records:
            if not isinstance(record, Media) or self.supports_media(record.kind):
                yield record
            elif self.supports(Capability.ARTIFACTS):
                yield from artifacts_of_media_files(record)

    def close_run(self, result: RunResult, records: Sequence[Record]) -> None:
        """Let the backend finish a run: its result, and all of its records that count."""
        self._call("legm_close_run", run=result.run, result=result, records=without_rewound(records))

    def release_run(self, run: Run) -> None:
        """Release the run: nothing more is written; an error is logged."""
        try:
            self._call("legm_release_run", run=run)
        except LegmError as error:
            log.error("%s", error)  # noqa: TRY400

    def write_marks(self, run: Run, before: RunMarks, marks: RunMarks) -> None:
        """Store what a user notes about a run that ended, in place of what was noted before.

        Raises:
            LegmError: the backend could not.
        """
        self._call("legm_write_marks", run=run, before=before, marks=marks)

    def discard_run(self, run: Run) -> None:
        """Delete a run with everything that was stored of it.

        Raises:
            NotSupported: the backend cannot delete runs.
        """
        self.require(Capability.DISCARD, "deleting a run")
        self._call("legm_discard_run", run=run)

    def plan_change(self, run: Run, after: Run | None) -> StoredChange:
        """What becomes of a stored run that a user amends or deletes; nothing is changed.

        Args:
            run: the run as it is stored.
            after: as it is to be; None if it is deleted.

        Raises:
            NotSupported: the backend cannot delete runs.
        """
        self._make_deferred()
        planned: StoredChange | None = self._call("legm_plan_change", run=run, after=after)
        if planned is not None:
            return planned
        self.require(Capability.DISCARD, "changing a stored run")
        return StoredChange(ChangeKind.DELETED if after is None else ChangeKind.REPLACED)

    def amend_run(self, run: Run, after: Run) -> None:
        """Change the configuration and the parameters of a stored run in place.

        Raises:
            NotSupported: the backend cannot change runs.
        """
        self.require(Capability.AMEND, "changing a run in place")
        self._call("legm_amend_run", run=run, after=after)

    # What was computed over runs, in every backend that has the capability

    def write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Store aggregates, replacing earlier ones of this description, in the mirrors too.

        Raises:
            LegmError: the primary could not; with ``strict`` also where a mirror could not, or not in time.
        """
        self._keep(
            Capability.SUMMARIES,
            "legm_write_summary",
            configuration=configuration,
            description=description,
            summary=summary,
        )

    def write_curves(self, configuration: Configuration, description: str, curves: Sequence[Curve]) -> None:
        """Store aggregated curves as numbers; see :meth:`write_summary`."""
        self._keep(
            Capability.CURVES,
            "legm_write_curves",
            configuration=configuration,
            description=description,
            curves=curves,
        )

    def write_figure(
        self,
        experiment: str,
        configuration: Configuration | None,
        description: str,
        name: str,
        content: bytes,
        format: str,
    ) -> str | None:
        """Store a picture; see :meth:`write_summary`, and :meth:`legm.hooks.Hooks.legm_write_figure`.

        Returns:
            where the primary has it, for a user; None where it does not say, or nothing is stored.
        """
        where: str | None = self._keep(
            Capability.FIGURES,
            "legm_write_figure",
            experiment=experiment,
            configuration=configuration,
            description=description,
            name=name,
            content=content,
            format=format,
        )
        return where

    def _keep(self, capability: Capability, hook: str, **arguments: Any) -> Any:
        """Call a hook of every backend that has the capability, the mirrors at the same time."""
        if self.read_only:
            return None
        kept = self._call(hook, **arguments) if self.supports(capability) else None
        problems: dict[str, str] = {}

        def work(mirror: BackendClient) -> None:
            try:
                mirror._call(hook, **arguments)
                problems.pop(mirror.name, None)
            except LegmError as error:
                problems[mirror.name] = str(error)

        threads = []
        for mirror in self.mirrors:
            if mirror.supports(capability):
                problems[mirror.name] = f"{mirror.name} took longer than {_PATIENCE:.0f} s in {hook}"
                name = f"legm-{mirror.name}-keep"
                threads.append(threading.Thread(target=work, args=(mirror,), name=name, daemon=True))
                threads[-1].start()
        until = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        problem = "; ".join(problems.copy().values())
        if problem and self.strict:
            raise BackendError(problem)
        if problem:
            log.error(
                "%s. The result is stored in %s; compute it again to send it to the mirrors.",
                problem,
                self.name,
            )
        return kept


def _client_hooks(backend: Backend) -> dict[str, Any]:
    """By name, the callers of a backend's hooks."""
    manager = backend_plugin_manager([backend])
    names = [name for name in dir(manager.hook) if name.startswith("legm_")]
    return {name: manager.subset_hook_caller(name, []) for name in names}


def _client_query_text(query: Query) -> str:
    """Which runs are read, in words."""
    wanted = f"for the experiment {query.experiment!r}"
    return wanted if query.fingerprint is None else f"{wanted}, configuration {query.fingerprint}"


def _client_error_with_run(arguments: Mapping[str, Any]) -> str:
    """Which run a call was about, in words."""
    run = arguments.get("run")
    return f" for the run {run.run_id}" if isinstance(run, Run) else ""

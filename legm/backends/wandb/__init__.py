"""Runs in W&B: offline folders on this machine, or a server.

What is where: an experiment is a project. A run is a W&B run of the job type ``run`` in the group of its
configuration, with the parameters in its config, numbers as history rows ``dev/…`` and ``test/…`` against
``legm/step``, and ``best/…`` in its summary. What was computed over runs is a run of the job type
``aggregate`` in the same group. What legm reads back are the run's files ``legm/run.json``,
``legm/result.json`` and ``legm/series.npz``, which hold everything to the last bit (see
:mod:`legm.backends.portable`).

W&B's own step counts rows, and legm sends the rows of a run in one order. So a run that goes on after an
outage or a kill asks the server how many rows it has and leaves out as many; a folder, which W&B cannot
go on with, is written anew.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import wandb

from legm.backends import portable
from legm.backends.wandb import history, mapping
from legm.backends.wandb.archive import Folders, Server, Stored
from legm.backends.wandb.login import base_url, has_login, require_answer
from legm.core.naming import safe_name, short_name
from legm.errors import BackendError
from legm.hooks import Capability, hookimpl
from legm.records import (
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

__all__ = ["WandbBackend"]

log = logging.getLogger(__name__)

_MODES = ("online", "offline")
_SHOWN = "legm/summary.json"
_EXIT_CODES = {Status.COMPLETED: 0, Status.FAILED: 1, Status.INTERRUPTED: 255}
_READERS = 8
_LOOK = 2.0  # seconds between two looks whether the server still answers
_SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",  # the output is the training's own
    "x_transaction_log_flush_interval": 1.0,
    "init_timeout": 20.0,
    "finish_timeout": 60.0,
    "finish_timeout_raises": True,
}
_QUIET = {"x_disable_stats": True, "x_disable_meta": True, "disable_git": True, "disable_code": True}


@dataclass(slots=True)
class _Live:
    """A W&B run that is being written.

    Args:
        handle: W&B's.
        known_rows: how many of the rows that are still to come the server has already.
    """

    handle: Any
    known_rows: int = 0
    _finishing: threading.Thread | None = None
    _errors: list[Exception] = field(default_factory=list)

    def finish(self, exit_code: int, look: Callable[[], None]) -> None:
        """End the run, and wait until it is sent; called again, go on waiting.

        Args:
            exit_code: of the first call.
            look: called now and then; what it raises ends the waiting, not the sending.
        """

        def work() -> None:
            try:
                self.handle.finish(exit_code=exit_code)
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                self._errors.append(error)

        if self._finishing is None:
            self._finishing = threading.Thread(target=work, name="legm-wandb-finish", daemon=True)
            self._finishing.start()
        while self._finishing.is_alive():
            self._finishing.join(_LOOK)
            if self._finishing.is_alive():
                look()
        if self._errors:
            raise self._errors[0]

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""
        return self._finishing is not None and not self._finishing.is_alive()


class WandbBackend:
    """Keeps runs in W&B.

    Args:
        root: the root directory.
        project: of all runs. Without one W&B's variable WANDB_PROJECT counts, and without that each
            experiment is a project.
        entity: the user or team; else WANDB_ENTITY, else the account's own.
        mode: "online" or "offline"; else WANDB_MODE, else online where W&B finds a login.
        dir: the folder that holds ``wandb/``; else WANDB_DIR, else the root directory.
        tags: of every run; else WANDB_TAGS.
        settings: of W&B's own, by name, or a ``wandb.Settings``.
    """

    name = "wandb"
    capabilities = frozenset(Capability) - {Capability.FOLDERS, Capability.DISCARD}

    def __init__(
        self,
        root: Path,
        project: str | None = None,
        entity: str | None = None,
        mode: str | None = None,
        dir: str | os.PathLike[str] | None = None,  # noqa: A002 - W&B's own word
        tags: Sequence[str] | None = None,
        settings: Mapping[str, Any] | wandb.Settings | None = None,
    ) -> None:
        for option, value in (("project", project), ("entity", entity), ("mode", mode)):
            if value is not None and not isinstance(value, str):
                raise BackendError(f"wandb's option {option} must be text, not {value!r}")
        if isinstance(settings, wandb.Settings):
            settings = settings.model_dump(exclude_unset=True)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._check_settings()
        self._project = project or os.environ.get("WANDB_PROJECT")
        self._entity = entity or os.environ.get("WANDB_ENTITY")
        self._root = root
        given = Path(dir or os.environ.get("WANDB_DIR") or root)
        self._dir = given.absolute()
        named = [tags] if isinstance(tags, str) else tags
        self._tags = tuple(named or filter(None, os.environ.get("WANDB_TAGS", "").split(",")))
        for tag in self._tags:
            if not isinstance(tag, str) or not 1 <= len(tag) <= 64:
                raise BackendError(f"a tag of W&B's has 1 to 64 characters, which {tag!r} has not")
        self._url = base_url(self._settings)
        self._mode = self._chosen_mode(mode or os.environ.get("WANDB_MODE") or None)
        self._folders = Folders(self._dir)
        known: dict[str, Any] = {
            "project": self._project,
            "entity": self._entity,
            "mode": self._mode,
            "dir": None if given == root else str(self._dir),
            "tags": list(self._tags),
            "settings": {"base_url": self._url} if self._mode == "online" else None,
        }
        self.options = {key: value for key, value in known.items() if value}
        self._server: Server | None = None
        self._connecting = threading.Lock()
        self._live: dict[str, _Live] = {}
        self._ends_at_exit = False
        self._configurations: dict[str, Configuration] = {}

    def _check_settings(self) -> None:
        try:
            wandb.Settings(**self._settings)
        except (ValueError, TypeError) as cause:
            raise BackendError(f"W&B does not take the settings {self._settings}: {cause}") from cause

    def _chosen_mode(self, asked: str | None) -> str:
        if asked is not None and asked not in _MODES:
            raise BackendError(
                f"wandb's mode {asked!r} keeps no runs for legm: use 'online' or 'offline', "
                f"or another backend to do without W&B"
            )
        if asked == "offline":
            return asked
        if has_login(self._url, self._settings):
            return "online"
        if asked == "online":
            raise BackendError(
                f"there is no login for {self._url}: run `wandb login`, set WANDB_API_KEY, "
                f"or use mode='offline'"
            )
        folder = self._dir / "wandb"
        log.log(
            logging.INFO if folder.exists() else logging.WARNING,  # once is enough
            "W&B has no login here: runs are kept in %s. To send them later: wandb login && wandb sync %s",
            folder,
            folder / "offline-run-*",
        )
        return "offline"

    @property
    def _is_online(self) -> bool:
        return self._mode == "online"

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        place = self._url if self._is_online else str(self._dir / "wandb")
        try:
            yield
        except Exception as cause:  # not all of the SDK's errors are its wandb.Error
            if not isinstance(cause, OSError) and type(cause).__module__.partition(".")[0] != "wandb":
                raise
            text = " ".join(str(cause).split())[:300]
            raise BackendError(f"W&B at {place} could not {doing}: {text or type(cause).__name__}") from cause

    def _look(self) -> None:
        if self._is_online:
            require_answer(self._url)

    # W&B's runs

    def _begin(self, run_id: str, *, project: str, settings: Mapping[str, Any], **given: Any) -> Any:
        """A W&B run of its own, beside the user's; one that is there on a server goes on."""
        self._look()
        self._dir.mkdir(parents=True, exist_ok=True)
        handle = wandb.init(
            id=run_id,
            project=project,
            entity=self._entity,
            dir=str(self._dir),
            mode=self._mode,  # type: ignore[arg-type]
            tags=list(self._tags),
            resume="allow" if self._is_online else None,
            reinit="create_new",
            settings=wandb.Settings(**{**self._settings, **settings}),
            **given,
        )
        # wandb.init() without `reinit` hands out the youngest run that is live, or ends it: never ours.
        wandb.setup().remove_active_run(handle)
        if not Path(handle.dir).is_relative_to(self._dir):
            handle.finish(exit_code=1)
            raise BackendError(f"W&B cannot write to {self._dir}: it took {handle.dir}")
        if not self._ends_at_exit:  # after W&B's own, so that it comes before that
            atexit.register(_end_all, weakref.ref(self))
            self._ends_at_exit = True
        return handle

    def _project_of(self, experiment: str) -> str:
        return self._project or mapping.project_name(experiment)

    @staticmethod
    def _keep(handle: Any, name: str, data: bytes) -> Path:
        """Put a file into a run."""
        path = Path(handle.dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        handle.save(str(path), base_path=handle.dir, policy="now")
        return path

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        """Begin the W&B run, or go on with the one on the server."""
        configuration = run.configuration
        self._configurations[configuration.fingerprint] = configuration
        with self._translated("begin the run"):
            self._let_go(run.run_id)
            old = [] if self._is_online else self._folders.of(run.run_id)
            own = [f"{name}={value}" for name, value in run.parameters.items()]
            handle = self._begin(
                run.run_id,
                project=self._project_of(configuration.experiment),
                settings={},
                name=", ".join([configuration.name or configuration.fingerprint[:15], *own])[:120],
                group=mapping.group_name(configuration),
                job_type="run",
                notes=run.description or None,
            )
            for folder in old:  # what W&B cannot go on with comes whole once more
                shutil.rmtree(folder, ignore_errors=True)
            self._live[run.run_id] = _Live(handle, handle.starting_step)
            data = portable.run_json(run)
            shown = mapping.display_config(configuration, run.parameters)
            handle.config.update({**shown, **mapping.own_config(run, data)}, allow_val_change=True)
            handle.define_metric(mapping.STEP, hidden=True)
            for names in ("dev/*", "test/*", "display/*"):
                handle.define_metric(names, step_metric=mapping.STEP)
            self._keep(handle, "legm/run.json", data)
        return 0

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record]) -> None:
        """Numbers as rows, files and texts as files."""
        live = self._live[run.run_id]
        with self._translated("take the run's values"):
            rows: list[dict[str, Any]] = []
            for record in records:
                if isinstance(record, Points):
                    rows.extend(mapping.rows(record))
                elif isinstance(record, Artifact):
                    self._keep(live.handle, f"files/{safe_name(record.name)}", Path(record.path).read_bytes())
                elif isinstance(record, Display) and isinstance(record.value, str):
                    name = f"texts/{safe_name(record.name)}/{record.step}.txt"
                    self._keep(live.handle, name, record.value.encode())
                elif isinstance(record, Display):
                    shown = {f"display/{record.name}": record.value, mapping.STEP: record.step}
                    rows.append({**shown, "_timestamp": record.time})
            known = min(live.known_rows, len(rows))
            live.known_rows -= known
            history.send(live.handle, rows[known:])

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        """The result as files and in the summary, then the status."""
        live = self._live[run.run_id]
        handle = live.handle
        with self._translated("finish the run"):
            self._keep(handle, "legm/series.npz", portable.series_npz(result.histories))
            self._keep(handle, "legm/result.json", portable.result_json(replace(result, run=run)))
            for name, table in mapping.indexed_tables(result).items():
                handle.summary[f"indexed/{name}"] = wandb.Table(columns=["index", "value"], data=table)
            values = {f"best/{s.name}": value for s, value in result.best.items() if s.index is None}
            values |= {f"test/{s.name}": value for s, value in result.test.items() if s.index is None}
            handle.summary.update(values)
            handle.summary["best_step"] = result.best_step
            handle.summary["legm_status"] = result.status.value
            if result.error:
                handle.summary["legm_error"] = result.error[:1000]
            live.finish(_EXIT_CODES[result.status], self._look)
            del self._live[run.run_id]

    @hookimpl
    def legm_release_run(self, run: Run) -> None:
        """End what was not closed."""
        with contextlib.suppress(Exception):
            self._let_go(run.run_id)
        self._live.pop(run.run_id, None)

    def _let_go(self, run_id: str) -> None:
        """End what a run has open: sent or not, its log has all of it.

        Raises:
            OSError: the server does not answer, and may still get it.
        """
        live = self._live.get(run_id)
        if live is None:
            return
        try:
            self._look()
            live.finish(_EXIT_CODES[Status.INTERRUPTED], self._look)
        except Exception:
            if not live.is_over:
                raise
        self._live.pop(run_id, None)

    def end_all(self) -> None:
        """End every run that is open, before W&B's own process ends."""
        for run_id in list(self._live):
            with contextlib.suppress(Exception):
                self._let_go(run_id)

    # Reading back

    def _stored(
        self, experiment: str, configuration: Configuration | None, fingerprint: str | None
    ) -> Iterator[Stored]:
        if not self._is_online:
            yield from self._folders.runs(experiment, fingerprint)
            return
        group = mapping.group_name(configuration) if configuration is not None else None
        yield from self._connected().runs(self._project_of(experiment), experiment, group, fingerprint)

    def _connected(self) -> Server:
        with self._connecting:
            if self._server is None:
                api = wandb.Api(
                    overrides={"base_url": self._url}, timeout=30, api_key=self._settings.get("api_key")
                )
                self._server = Server(api, self._entity or api.default_entity or "")
            return self._server

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult]:
        """The runs with their files; a run without a result is still running."""
        with self._translated("read the runs"):
            known = self._configurations.get(query.fingerprint or "")
            found = [
                stored
                for stored in self._stored(query.experiment, known, query.fingerprint)
                if query.description in {None, stored.run.description}
            ]
            with ThreadPoolExecutor(_READERS if self._is_online else 1) as readers:
                yield from readers.map(lambda stored: self._result(stored, query.histories), found)

    def _result(self, stored: Stored, names: frozenset[str] | None) -> RunResult:
        with self._translated(f"read the run {stored.run.run_id}"):
            configuration = self._configurations.setdefault(
                stored.run.configuration.fingerprint, stored.run.configuration
            )
            data = stored.read("legm/result.json")
            if data is None:
                return RunResult(stored.run, Status.RUNNING)
            result, series = portable.result_from(data, configuration)
            if names is None or any(one.name in names for one in series):
                numbers = stored.read("legm/series.npz")
                if numbers is None:
                    raise BackendError(f"the W&B run {stored.run.run_id} has no legm/series.npz")
                return replace(result, histories=portable.series_from(numbers, series, names))
            return result

    @hookimpl
    def legm_read_experiments(self) -> Iterable[str]:
        """The experiments of the runs; on a server, each project's but where one project holds them all."""
        with self._translated("list the experiments"):
            return (
                self._connected().experiments(self._project)
                if self._is_online
                else self._folders.experiments()
            )

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> Iterator[Configuration]:
        """The configurations of the runs."""
        with self._translated("read the configurations"):
            found = self._stored(experiment, None, None)
            seen = {stored.run.configuration.fingerprint: stored.run.configuration for stored in found}
            self._configurations.update(seen)
            yield from seen.values()

    # What was computed over runs

    @contextlib.contextmanager
    def _over_runs(
        self, experiment: str, configuration: Configuration | None, description: str
    ) -> Iterator[Any]:
        """The W&B run that holds what was computed over runs; it keeps the files it had."""
        if configuration is None:
            kind, what, group, title = "comparison", experiment, "comparison", ""
        else:
            kind, what, title = "aggregate", configuration.fingerprint, configuration.name
            group = mapping.group_name(configuration)
        run_id = mapping.other_run_id(kind, experiment, what, description)
        old = [] if self._is_online else self._folders.of(run_id)
        handle = self._begin(
            run_id,
            project=self._project_of(experiment),
            settings=_QUIET,
            name=", ".join(filter(None, (kind, title, description)))[:120],
            group=group,
            job_type=kind,
            notes=description or None,
        )
        try:
            for folder in old[-1:]:
                for path in sorted((folder / "files").rglob("*")):
                    name = path.relative_to(folder / "files")
                    if path.is_file() and name.parts[0] != "media":
                        self._keep(handle, name.as_posix(), path.read_bytes())
                self._show(handle, {}, {})
            shown = mapping.display_config(configuration, {}) if configuration else {}
            own = {"legm_experiment": experiment, "legm_description": description}
            if configuration:
                own["legm_fingerprint"] = configuration.fingerprint
            handle.config.update({**shown, **own}, allow_val_change=True)
            (Path(handle.dir) / "legm").mkdir(exist_ok=True)
            yield handle
        except BaseException:
            handle.finish(exit_code=1)
            raise
        made = Path(handle.dir).parent
        handle.finish()
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        if old and not old[0].exists():
            made.rename(old[0])  # files that were kept before are found where they were

    def _show(self, handle: Any, values: Mapping[str, float], pictures: Mapping[str, str]) -> None:
        """Show numbers, and pictures among the run's files, in its summary.

        An offline run cannot be gone on with: the one that takes its place shows what a file says.
        """
        import json

        shown: dict[str, dict[str, Any]] = {"values": {}, "pictures": {}}
        path = Path(handle.dir) / _SHOWN
        if path.is_file():
            shown = json.loads(path.read_bytes())
        shown["values"].update(values)
        shown["pictures"].update(pictures)
        handle.summary.update(shown["values"])
        for key, name in shown["pictures"].items():
            handle.summary[key] = wandb.Image(str(Path(handle.dir) / name))
        if not self._is_online:
            self._keep(handle, _SHOWN, json.dumps(shown).encode())

    @hookimpl
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Aggregates in the summary and as a file."""
        import json

        with (
            self._translated("keep the aggregates"),
            self._over_runs(configuration.experiment, configuration, description) as handle,
        ):
            self._show(handle, mapping.summary_values(summary), {})
            whole = json.dumps(summary_as_dict(summary), indent=1).encode()
            self._keep(handle, "legm/aggregated_metrics.json", whole)

    @hookimpl
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Each curve as a table in a file."""
        with (
            self._translated("keep the curves"),
            self._over_runs(configuration.experiment, configuration, description) as handle,
        ):
            for curve in curves:
                self._keep(handle, f"curves/{short_name(curve.metric)}.csv", portable.curve_csv(curve))

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
        """A picture as a file; a PNG is also shown in the summary."""
        with (
            self._translated("keep the picture"),
            self._over_runs(experiment, configuration, description) as handle,
        ):
            file = f"plots/{short_name(name)}.{format}"
            self._keep(handle, file, content)
            if format == "png":
                self._show(handle, {}, {f"plots/{name}": file})
            if self._is_online:
                return f"{handle.url}/files/{file}"
            return str(self._folders.of(handle.id)[0] / "files" / file)  # where the folder will be


def _end_all(reference: weakref.ref[WandbBackend]) -> None:
    backend = reference()
    if backend is not None:
        backend.end_all()

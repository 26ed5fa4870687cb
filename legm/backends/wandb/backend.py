"""The backend that keeps runs in W&B.

An experiment is a project. A run is a W&B run in the group of its configuration, with the parameters in its
config, numbers as history rows ``dev/…`` and ``test/…`` against legm's step, and ``best/…`` in its summary.
Results over runs are in a W&B run of another job type in the same group. What legm reads back are the files
of the run that hold it bit for bit (see :mod:`legm.backends.portable`). :mod:`legm.backends.wandb.names` has
all names.

W&B's own step counts rows, and legm sends the rows of a run in a fixed order. So a run that is resumed after
an outage or a kill asks the server how many rows it has and skips as many. An offline folder, which W&B
cannot resume, is written anew, under the same id. Neither can delete rows: those that a rewind takes back are
marked in a file of the run (see :class:`legm.backends.portable.Rewound`), by the number of rows before it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import logging
import os
import platform
import shutil
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import wandb

from legm.backends import portable
from legm.backends.wandb import names
from legm.backends.wandb.code_settings import code_settings
from legm.backends.wandb.display import (
    display_config,
    display_indexed_tables,
    display_metadata,
    display_native_config,
    display_stretches,
    display_summary_values,
    display_wandb_history_rows,
)
from legm.backends.wandb.media_display import (
    WandbMedia,
    read_wandb_media,
    read_wandb_media_file,
    send_rows_and_media,
)
from legm.backends.wandb.offline_log import require_offline_log
from legm.backends.wandb.run_finder import (
    FoundRun,
    WandbFolderRunFinder,
    WandbServerRunFinder,
    intact_found_runs,
)
from legm.backends.wandb.server_health import require_healthy_server
from legm.core.credentials import redact, redact_text
from legm.core.naming import run_title, unescape_name
from legm.core.origins import CHANGES_FILE, CLASSES
from legm.core.run_environment import run_in_environment
from legm.core.run_marks import marks_from_json, marks_json
from legm.errors import BackendError
from legm.hooks import Capability, hookimpl, still_working
from legm.records import (
    Artifact,
    ChangeKind,
    Configuration,
    Curve,
    Display,
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
from legm.runlog.file_names import CONSOLE_FILE
from legm.stats.aggregate import aggregated_summary_as_dict
from legm.util.given_paths import resolved_path
from legm.util.user_environment import user_variable
from legm.util.wandb_session import WandbSession

__all__ = ["WandbBackend"]

log = logging.getLogger(__name__)

_MODES = ("online", "offline")
_EXIT_CODES = {Status.COMPLETED: 0, Status.FAILED: 1, Status.INTERRUPTED: 255, Status.PRUNED: 255}
_READER_THREADS = 8
_HEALTH_INTERVAL = 2.0  # seconds between two checks whether the server still responds
_PATIENCE_OFFLINE = 60.0  # seconds: a folder on this machine cannot be away
_DEFAULT_SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",  # the output belongs to the training
    "x_transaction_log_flush_interval": 1.0,
    "init_timeout": 20.0,
    "finish_timeout": 60.0,
    "finish_timeout_raises": True,
}
_WITHOUT_ORIGIN = {
    "x_disable_meta": True,
    "disable_git": True,
    "disable_code": True,
    "x_save_requirements": False,  # it would read the metadata of every installed package
}
_WITHOUT_TRACKING = {**_WITHOUT_ORIGIN, "x_disable_stats": True}


def _is_wandb_run_of_process(run: Run) -> bool:
    """Whether a run was begun by this process, with provenance, so that W&B may say the same of it.

    W&B stores the command line as it is, so it may not where the user's own names of credentials redact it.
    """
    known = run.environment
    here = (platform.node(), os.getpid(), list(sys.orig_argv))
    return (known.get("host"), known.get("pid"), known.get("command")) == here


def _wandb_run_title(run: Run) -> str:
    """The name of the W&B run."""
    own = [f"{name}={value}" for name, value in run.parameters.items()]
    return run_title(run.configuration, own)[:120]


@dataclass(slots=True)
class _LiveWandbRun:
    """A W&B run that is being written.

    Args:
        handle: the W&B run.
        session: that it was begun in.
        run: the run, with the environment of all of its stretches so far.
        media: those that were stored.
        known_rows: how many of the rows that are still to be sent the server already has.
        had_result: whether the server has a result of the run from before, and it does not count.
        rows: how many rows were given, sent or known.
        rewound: what is void in it.
        texts: the files and steps of all texts.
    """

    handle: Any
    session: WandbSession
    run: Run
    media: WandbMedia
    known_rows: int = 0
    has_own_origin: bool = False
    """Whether W&B finds out itself where the run comes from, since it is this process."""
    had_result: bool = False
    rows: int = 0
    rewound: portable.Rewound = portable.NOTHING_REWOUND
    texts: dict[str, int] = field(default_factory=dict)
    _finishing: threading.Thread | None = None
    _errors: list[Exception] = field(default_factory=list)

    def finish(self, exit_code: int, check_health: Callable[[], None]) -> None:
        """End the run and wait until it is sent; a second call continues to wait.

        Args:
            exit_code: the exit code; that of the first call counts.
            check_health: called repeatedly; an error that it raises ends the waiting, not the sending.
        """

        def work() -> None:
            try:
                with self.session.active():
                    self.handle.finish(exit_code=exit_code)
            except Exception as error:  # noqa: BLE001 - raised in the thread that waits
                self._errors.append(error)

        if self._finishing is None:
            self._finishing = threading.Thread(target=work, name="legm-wandb-finish", daemon=True)
            self._finishing.start()
        while self._finishing.is_alive():
            self._finishing.join(_HEALTH_INTERVAL)
            if self._finishing.is_alive():
                check_health()  # which is no sign that the server takes anything
        if self._errors:
            raise self._errors[0]

    @property
    def is_finished(self) -> bool:
        """Whether W&B has ended the run, successfully or not."""
        return self._finishing is not None and not self._finishing.is_alive()


class WandbBackend:
    """Keeps runs in W&B.

    Args:
        root: the root directory.
        project: the project of all runs. The default is W&B's variable WANDB_PROJECT, or else one project per
            experiment.
        entity: the user or team; the default is WANDB_ENTITY, or else the account's own.
        mode: "online" or "offline"; the default is WANDB_MODE, or else online if W&B finds a login.
        dir: the folder that holds ``wandb/``; the default is WANDB_DIR, or else the root directory.
        tags: the tags of every run; the default is WANDB_TAGS.
        settings: W&B's own settings, by name or as ``wandb.Settings``.
    """

    name = "wandb"
    capabilities = frozenset(Capability) - {Capability.FOLDERS}
    """Offline also without MARKS and AMEND: nothing is added to the folder of a run that ended."""

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
        self._settings = {**_DEFAULT_SETTINGS, **(settings or {})}
        self._check_settings()
        self._project = project or user_variable("WANDB_PROJECT")
        self._entity = entity or user_variable("WANDB_ENTITY")
        self._root = root
        given = Path(dir or user_variable("WANDB_DIR") or root)
        self._dir = given.absolute()
        named = [tags] if isinstance(tags, str) else tags
        self._tags = tuple(named or filter(None, (user_variable("WANDB_TAGS") or "").split(",")))
        for tag in self._tags:
            if not isinstance(tag, str) or not 1 <= len(tag) <= 64:
                raise BackendError(f"W&B's tags have 1 to 64 characters, unlike {tag!r}")
        self._session = WandbSession(self._settings)
        self._url = self._session.url
        self._mode = self._choose_mode(mode or user_variable("WANDB_MODE") or None)
        if not self._is_online:
            self.capabilities = self.capabilities - {Capability.MARKS, Capability.AMEND}
        self._folders = WandbFolderRunFinder(self._dir)
        known: dict[str, Any] = {
            "project": self._project,
            "entity": self._entity,
            "mode": self._mode,
            "dir": None if given == root else str(self._dir),
            "tags": list(self._tags),
            "settings": {"base_url": self._url} if self._mode == "online" else None,
        }
        self.options = {key: value for key, value in known.items() if value}
        self.patience = None if self._is_online else _PATIENCE_OFFLINE
        self._server: WandbServerRunFinder | None = None
        self._connecting = threading.Lock()
        self._live: dict[str, _LiveWandbRun] = {}
        self._amended_notes: dict[str, str] = {}  # by run, until it is opened
        self._ends_at_exit = False
        self._configurations: dict[str, Configuration] = {}

    def _check_settings(self) -> None:
        try:
            wandb.Settings(**self._settings)
        except (ValueError, TypeError) as cause:
            raise BackendError(
                f"W&B does not accept the settings {redact('', self._settings)}: {redact_text(str(cause))}"
            ) from cause

    def _choose_mode(self, asked: str | None) -> str:
        if asked is not None and asked not in _MODES:
            raise BackendError(
                f"legm cannot keep runs in wandb's mode {asked!r}: use 'online' or 'offline', "
                f"or another backend instead of W&B"
            )
        if asked == "offline":
            return asked
        if self._session.has_login:
            return "online"
        if asked == "online":
            raise BackendError(
                f"there is no login for {self._url}: run `wandb login`, set WANDB_API_KEY, "
                f"or use mode='offline'"
            )
        folder = self._dir / "wandb"
        log.log(
            logging.INFO if folder.exists() else logging.WARNING,  # warn once
            "W&B has no login here: runs are stored in %s. To send them later: wandb login && wandb sync %s",
            folder,
            folder / "offline-run-*",
        )
        return "offline"

    @property
    def _is_online(self) -> bool:
        return self._mode == "online"

    @contextlib.contextmanager
    def _translate_errors(self, doing: str) -> Iterator[None]:
        """Call W&B, and translate its errors."""
        location = self._url if self._is_online else str(self._dir / "wandb")
        try:
            with self._session.active():
                yield
        except Exception as cause:  # not all of the SDK's errors are its wandb.Error
            if not isinstance(cause, OSError) and type(cause).__module__.partition(".")[0] != "wandb":
                raise
            text = " ".join(str(cause).split())[:300]
            raise BackendError(
                f"W&B at {location} could not {doing}: {text or type(cause).__name__}"
            ) from cause

    def _check_health(self) -> None:
        if self._is_online:
            require_healthy_server(self._url)

    # W&B's runs

    def _begin(self, run_id: str, *, project: str, settings: Mapping[str, Any], **given: Any) -> Any:
        """Begin a W&B run next to the user's own; one that a server has is resumed."""
        self._check_health()
        still_working()
        self._dir.mkdir(parents=True, exist_ok=True)
        login = {"base_url": self._url, "api_key": self._session.api_key} if self._is_online else {}
        if redact("", sys.argv) != sys.argv:  # W&B stores the command line among them, as it is
            settings = {**settings, "x_disable_meta": True}
        handle = wandb.init(
            id=run_id,
            project=project,
            entity=self._entity,
            dir=str(self._dir),
            mode=self._mode,  # type: ignore[arg-type]
            tags=list(self._tags),
            resume="allow" if self._is_online else None,
            reinit="create_new",
            settings=wandb.Settings(**{**self._settings, **login, **settings}),
            **given,
        )
        if not self._session.is_separate:
            # The user's wandb.init() may return or end the newest active run, which must never be this one.
            wandb.setup().remove_active_run(handle)
        if not Path(handle.dir).is_relative_to(self._dir):
            handle.finish(exit_code=1)
            raise BackendError(f"W&B cannot write to {self._dir}: it uses {handle.dir} instead")
        if not self._ends_at_exit:  # registered after W&B's own handler, so that it runs first
            atexit.register(_end_open_wandb_runs, weakref.ref(self))
            self._ends_at_exit = True
        return handle

    def _tracking_of(self, run: Run) -> Mapping[str, Any]:
        """W&B's settings for what it finds out itself: about this process, so for no run of another one."""
        if _is_wandb_run_of_process(run):
            return code_settings(self._settings)
        return _WITHOUT_TRACKING if run.environment.keys() - {CLASSES} else _WITHOUT_ORIGIN

    def _project_of(self, experiment: str) -> str:
        return self._project or names.wandb_project_name(experiment)

    @staticmethod
    def _save_file(handle: Any, name: str, data: bytes) -> Path:
        """Store a file in a W&B run."""
        path = Path(handle.dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        handle.save(str(path), base_path=handle.dir, policy="now")
        return path

    def _save_origin(self, handle: Any, run: Run) -> None:
        """Store where a run of another process comes from, as W&B does for one of its own."""
        self._save_file(handle, names.METADATA_FILE, json.dumps(display_metadata(run), indent=2).encode())
        versions = run.environment.get("distributions")
        if isinstance(versions, dict):
            lines = [f"{name}=={version}\n" for name, version in versions.items()]
            self._save_file(handle, names.REQUIREMENTS_FILE, "".join(lines).encode())

    @hookimpl
    def legm_open_run(self, run: Run) -> int:
        """Begin the W&B run, or resume the one that the server has."""
        configuration = run.configuration
        self._configurations[configuration.fingerprint] = configuration
        with self._translate_errors("begin the run"):
            self._end_handle(run.run_id)
            old = [] if self._is_online else self._folders.folders_of(run.run_id)
            handle = self._begin(
                run.run_id,
                project=self._project_of(configuration.experiment),
                settings=self._tracking_of(run),
                name=_wandb_run_title(run),
                group=names.wandb_group_name(configuration),
                job_type=names.RUN_JOB,
                notes=self._amended_notes.pop(run.run_id, run.description) or None,
            )
            for folder in old:  # W&B cannot resume it, so all of it is written again
                shutil.rmtree(folder, ignore_errors=True)
            ended = handle.summary.get(names.STATUS_KEY) if handle.starting_step else None
            live = self._live[run.run_id] = _LiveWandbRun(
                handle,
                self._session,
                run,
                WandbMedia(functools.partial(self._save_file, handle)),
                handle.starting_step,
                had_result=ended not in {None, Status.COMPLETED.value, Status.RUNNING.value},
            )
            live.has_own_origin = _is_wandb_run_of_process(run)
            data = portable.run_json(run)
            config = {**display_config(configuration, run.parameters), **display_native_config(run, data)}
            handle.config.update(config, allow_val_change=True)
            handle.define_metric(names.STEP_KEY, hidden=True)
            for pattern in names.HISTORY_PATTERNS:
                handle.define_metric(pattern, step_metric=names.STEP_KEY)
            self._save_file(handle, portable.RUN_FILE, data)
        return 0

    @hookimpl
    def legm_write(self, run: Run, records: Sequence[Record]) -> None:
        """Send numbers as history rows, and store files and texts as files."""
        live = self._live[run.run_id]
        with self._translate_errors("store the run's values"):
            rows: list[dict[str, Any] | Media] = []
            for record in records:
                if isinstance(record, Points):
                    rows.extend(display_wandb_history_rows(record))
                elif isinstance(record, Artifact):
                    content = Path(record.path).read_bytes()
                    self._save_file(live.handle, portable.artifact_file(record.name), content)
                    if record.name == CONSOLE_FILE:  # also where W&B's page shows it
                        self._save_file(live.handle, names.CONSOLE_FILE, content)
                    if record.name == CHANGES_FILE:
                        self._save_file(live.handle, names.CHANGES_FILE, content)
                elif isinstance(record, Display) and isinstance(record.value, str):
                    name = portable.text_file(record.name, record.step)
                    self._save_file(live.handle, name, record.value.encode())
                    live.texts[name] = record.step
                    if name in live.rewound.texts:
                        self._mark(live, replace(live.rewound, texts=live.rewound.texts - {name}))
                elif isinstance(record, Display):
                    key, value = names.wandb_display_history_item(record.name, float(record.value))
                    rows.append({key: value, names.STEP_KEY: record.step, "_timestamp": record.time})
                elif isinstance(record, Resumption):
                    self._begin_stretch(live, record)
                elif isinstance(record, Media):
                    live.media.add(record)
                    rows.append(record)
                elif isinstance(record, Rewind):
                    live.media.rewind(record)
                    marked = live.rewound.with_mark(record.step, live.rows + len(rows) - 1)
                    void = {name for name, step in live.texts.items() if step > record.step}
                    self._mark(live, replace(marked, texts=marked.texts | void))
            live.media.store_index()
            known = min(live.known_rows, len(rows))
            live.known_rows -= known
            live.rows += len(rows)
            send_rows_and_media(live.handle, rows[known:])

    def _begin_stretch(self, live: _LiveWandbRun, resumption: Resumption) -> None:
        """Say that the run is resumed, and where; a completed one counts until it ends again."""
        live.run = run_in_environment(live.run, [resumption])
        data = portable.run_json(live.run)
        live.handle.config.update(
            {**display_native_config(live.run, data), names.STRETCHES_KEY: display_stretches(live.run)},
            allow_val_change=True,
        )
        self._save_file(live.handle, portable.RUN_FILE, data)
        if live.had_result:
            live.had_result = False
            running = portable.result_json(RunResult(live.run, Status.RUNNING))
            self._save_file(live.handle, portable.RESULT_FILE, running)
            live.handle.summary[names.STATUS_KEY] = Status.RUNNING.value

    def _mark(self, live: _LiveWandbRun, rewound: portable.Rewound) -> None:
        live.rewound = rewound
        self._save_file(live.handle, portable.REWOUND_FILE, portable.rewound_json(rewound))
        live.handle.summary[names.REWOUND_KEY] = [
            {"step": step, "rows": last + 1} for step, last in rewound.marks
        ]

    @hookimpl
    def legm_close_run(self, run: Run, result: RunResult) -> None:
        """Store the result as files and in the summary, then the status."""
        live = self._live[run.run_id]
        handle = live.handle
        with self._translate_errors("end the run"):
            self._save_file(handle, portable.SERIES_FILE, portable.series_npz(result.histories))
            self._save_file(handle, portable.RESULT_FILE, portable.result_json(replace(result, run=run)))
            if not live.has_own_origin and run.environment.get("command"):
                self._save_origin(handle, run)
            for key, table in display_indexed_tables(result).items():
                handle.summary[key] = wandb.Table(columns=["index", "value"], data=table)
            values = {
                names.wandb_best_summary_key(s.name): value
                for s, value in result.best.items()
                if s.index is None
            }
            values |= {
                names.wandb_history_key(s): value for s, value in result.test.items() if s.index is None
            }
            if live.rewound:  # W&B's summary has the last row of each key, void or not
                values |= {
                    names.wandb_history_key(s): float(history.values[-1])
                    for s, history in result.histories.items()
                    if s.index is None
                }
            handle.summary.update(values)
            handle.summary[names.BEST_STEP_KEY] = result.best_step
            handle.summary[names.STATUS_KEY] = result.status.value
            self._note_marks(handle, result.marks)
            if result.error:
                handle.summary[names.ERROR_KEY] = result.error[:1000]
            live.finish(_EXIT_CODES[result.status], self._check_health)
            del self._live[run.run_id]
            if not self._is_online:
                require_offline_log(Path(handle.dir).parent)

    @staticmethod
    def _note_marks(handle: Any, marks: RunMarks) -> None:
        """Add tags and a note to a run, without those that a user deleted in W&B since they were written."""
        sent = marks_from_json(handle.config.get(names.SENT_MARKS_KEY))
        if marks == RunMarks() and sent is None:
            return
        there = set(handle.tags or ())
        deleted = set() if sent is None else set(sent.tags) - there
        handle.tags = tuple(sorted(there | (set(marks.tags) - deleted)))
        if marks.note and (sent is None or marks.note != sent.note):
            handle.notes = marks.note
        handle.config.update({names.SENT_MARKS_KEY: marks_json(marks)}, allow_val_change=True)

    @hookimpl
    def legm_write_marks(self, run: Run, before: RunMarks, marks: RunMarks) -> None:
        """Set the tags and the note of a run that the server has; tags that only W&B knows stay."""
        with self._translate_errors("set the tags"):
            project = self._project_of(run.configuration.experiment)
            self._connect().write_marks(project, run, before, marks)

    @hookimpl
    def legm_release_run(self, run: Run) -> None:
        """End the W&B run if it was not closed."""
        with contextlib.suppress(Exception):
            self._end_handle(run.run_id)
        self._live.pop(run.run_id, None)

    @hookimpl
    def legm_discard_run(self, run: Run) -> None:
        """Delete the W&B run on the server, and its folders on this machine."""
        with self._translate_errors("delete the run"):
            if self._is_online:
                self._connect().delete(self._project_of(run.configuration.experiment), run)
            self._folders.delete(run)

    @hookimpl
    def legm_plan_change(self, run: Run, after: Run | None) -> StoredChange:
        """A run on a server is changed where it is; a folder on this machine is written anew."""
        with self._translate_errors("find the run"):
            return self._plan_on_server(run, after) if self._is_online else self._plan_in_folders(run, after)

    def _plan_on_server(self, run: Run, after: Run | None) -> StoredChange:
        project = self._project_of(run.configuration.experiment)
        found = self._connect().stored_as(project, run)
        if found is None:
            return StoredChange(
                ChangeKind.ABSENT,
                f"W&B has no run {run.run_id} in the project {project}, and never takes the id of a deleted "
                "run again: restore it on the project's page first",
            )
        noted: dict[str, Any] = {"marks": found.marks, "sent_marks": found.sent_marks}
        if after is None:
            note = (
                "W&B never takes the id of a deleted run again: only the project's page there brings it back"
            )
            return StoredChange(ChangeKind.DELETED, note=note, **noted)
        if self._project_of(after.configuration.experiment) != project:
            problem = (
                f"legm cannot move a W&B run from the project {project} to another one. With the option "
                "project, the runs of all experiments are in one project"
            )
            return StoredChange(ChangeKind.REPLACED, problem, **noted)
        return StoredChange(ChangeKind.AMENDED, **noted)

    def _plan_in_folders(self, run: Run, after: Run | None) -> StoredChange:
        found = self._folders.stored_as(run)
        if not found:
            return StoredChange(ChangeKind.ABSENT)
        synced = next((one for one in found if self._folders.is_synced(one)), None)
        text = "" if synced is None else f"{synced} was sent to W&B by wandb sync"
        if after is None:
            return StoredChange(ChangeKind.DELETED, note=text and f"{text}: delete the run there too")
        problem = text and f"{text}, where the run stays as it was"
        return StoredChange(ChangeKind.REPLACED, problem)

    @hookimpl
    def legm_amend_run(self, run: Run, after: Run) -> None:
        """Change the config, group, name and notes of the W&B run; its files follow when it is opened."""
        before = display_config(run.configuration, run.parameters)
        config = display_config(after.configuration, after.parameters)
        with self._translate_errors("change the run"):
            project = self._project_of(run.configuration.experiment)
            stale = before.keys() - config.keys()
            self._amended_notes[run.run_id] = self._connect().amend(
                project, run, after, _wandb_run_title(after), stale, config
            )

    def _end_handle(self, run_id: str) -> None:
        """End the W&B run that is open for a run: sent or not, the run log has all of it.

        Raises:
            OSError: the server does not respond, and may still receive the run.
        """
        live = self._live.get(run_id)
        if live is None:
            return
        try:
            self._check_health()
            live.finish(_EXIT_CODES[Status.INTERRUPTED], self._check_health)
        except Exception:
            if not live.is_finished:
                raise
        self._live.pop(run_id, None)

    def end_open_runs(self) -> None:
        """End every W&B run that is open, before W&B's own process ends."""
        for run_id in list(self._live):
            with contextlib.suppress(Exception):
                self._end_handle(run_id)

    # Reading back

    def _stored_runs(
        self, experiment: str, configuration: Configuration | None, fingerprint: str | None
    ) -> Iterator[FoundRun | StoredRun]:
        if not self._is_online:
            yield from self._folders.runs(experiment, fingerprint)
            return
        group = names.wandb_group_name(configuration) if configuration is not None else None
        yield from self._connect().runs(self._project_of(experiment), experiment, group, fingerprint)

    def _connect(self) -> WandbServerRunFinder:
        self._check_health()  # the SDK itself would retry for long
        still_working()
        with self._connecting:
            if self._server is None:
                api = wandb.Api(overrides={"base_url": self._url}, timeout=30, api_key=self._session.api_key)
                self._server = WandbServerRunFinder(api, self._entity or api.default_entity or "")
            return self._server

    @hookimpl
    def legm_read_runs(self, query: Query) -> Iterator[RunResult | StoredRun]:
        """The runs, each read from its files; a run without a result is still running."""
        with self._translate_errors("read the runs"):
            known = self._configurations.get(query.fingerprint or "")
            found = [
                stored
                for stored in self._stored_runs(query.experiment, known, query.fingerprint)
                if isinstance(stored, StoredRun) or query.description in {None, stored.run.description}
            ]
            with ThreadPoolExecutor(_READER_THREADS if self._is_online else 1) as readers:
                yield from readers.map(lambda stored: self._read_stored(stored, query.histories), found)

    @hookimpl
    def legm_read_files(self, configuration: Configuration) -> Iterator[StoredFile]:
        """The files of the configuration's W&B runs that were logged as such."""
        with self._translate_errors("list the files"):
            found = self._stored_runs(configuration.experiment, configuration, configuration.fingerprint)
            for stored in intact_found_runs(found):
                for path, size in stored.files():
                    folder, slash, name = path.partition("/")
                    if slash and folder == portable.ARTIFACTS:
                        yield StoredFile(stored.run.run_id, unescape_name(name), size)

    @hookimpl
    def legm_read_file(self, run: Run, name: str, largest: int) -> bytes | None:
        """One of the files that the run logged as such."""
        with self._translate_errors("read a file"):
            found = self._found(run)
            for path, size in () if found is None else found.files():
                folder, _, own = path.partition("/")
                is_it = folder == portable.ARTIFACTS and unescape_name(own) == name
                if found is not None and is_it and size <= largest:
                    return found.read(path)
            return None

    @hookimpl
    def legm_read_media(self, run: Run) -> Iterable[Media]:
        """Those in the index among the run's files."""
        with self._translate_errors("read the media"):
            found = self._found(run)
            return () if found is None else read_wandb_media(found)

    @hookimpl
    def legm_read_media_file(self, run: Run, file: MediaFile) -> bytes | None:
        """One of the run's files."""
        with self._translate_errors("read the media"):
            found = self._found(run)
            return None if found is None else read_wandb_media_file(found, file)

    def _found(self, run: Run) -> FoundRun | None:
        if not self._is_online:
            return self._folders.found(run)
        return self._connect().stored_as(self._project_of(run.configuration.experiment), run)

    def _read_stored(
        self, stored: FoundRun | StoredRun, metrics: frozenset[str] | None
    ) -> RunResult | StoredRun:
        if isinstance(stored, StoredRun):
            return stored
        run_id = stored.run.run_id
        with self._translate_errors(f"read the run {run_id}"):
            return portable.read_or_damaged(run_id, lambda: self._read_result(stored, metrics))

    def _read_result(self, stored: FoundRun, metrics: frozenset[str] | None) -> RunResult:
        configuration = self._configurations.setdefault(
            stored.run.configuration.fingerprint, stored.run.configuration
        )
        noted: dict[str, Any] = {"marks": stored.marks, "sent_marks": stored.sent_marks}
        data = stored.read(portable.RESULT_FILE)
        if data is None:
            return replace(RunResult(stored.run, Status.RUNNING), **noted)
        result, series = portable.result_from(data, configuration)
        result = replace(result, **noted)
        if result.status is Status.RUNNING:  # it was resumed
            return replace(RunResult(stored.run, Status.RUNNING), **noted)
        if metrics is None or any(one.name in metrics for one in series):
            numbers = stored.read(portable.SERIES_FILE)
            if numbers is None:
                raise FileNotFoundError(f"it has no file {portable.SERIES_FILE}")
            return replace(result, histories=portable.series_from(numbers, series, metrics))
        return result

    @hookimpl
    def legm_read_experiments(self) -> Iterable[str]:
        """The experiments of all runs; on a server without a set project, one per project."""
        with self._translate_errors("list the experiments"):
            return (
                self._connect().experiments(self._project) if self._is_online else self._folders.experiments()
            )

    @hookimpl
    def legm_read_configurations(self, experiment: str) -> Iterator[Configuration]:
        """The configurations of the runs."""
        with self._translate_errors("read the configurations"):
            found = intact_found_runs(self._stored_runs(experiment, None, None))
            seen = {stored.run.configuration.fingerprint: stored.run.configuration for stored in found}
            self._configurations.update(seen)
            yield from seen.values()

    # Results over runs

    @contextlib.contextmanager
    def _computed_run(
        self, experiment: str, configuration: Configuration | None, description: str
    ) -> Iterator[Any]:
        """The W&B run that holds results over runs; it keeps the files it had."""
        if configuration is None:
            job, what, group, title = names.COMPARISON_JOB, experiment, names.COMPARISON_GROUP, ""
        else:
            job, what, title = names.AGGREGATE_JOB, configuration.fingerprint, configuration.name
            group = names.wandb_group_name(configuration)
        run_id = names.wandb_computed_run_id(job, experiment, what, description)
        old = [] if self._is_online else self._folders.folders_of(run_id)
        handle = self._begin(
            run_id,
            project=self._project_of(experiment),
            settings=_WITHOUT_TRACKING,
            name=", ".join(filter(None, (job, title, description)))[:120],
            group=group,
            job_type=job,
            notes=description or None,
        )
        try:
            for folder in old[-1:]:
                own = resolved_path(folder)
                for path in sorted((folder / "files").rglob("*")):
                    name = path.relative_to(folder / "files")
                    is_own = resolved_path(path).is_relative_to(own)  # not a link to elsewhere
                    if is_own and path.is_file() and name.parts[0] != "media":
                        self._save_file(handle, name.as_posix(), path.read_bytes())
                self._update_summary(handle, {}, {})
            config = display_config(configuration, {}) if configuration else {}
            config |= {names.EXPERIMENT_KEY: experiment, names.DESCRIPTION_KEY: description}
            if configuration:
                config[names.FINGERPRINT_KEY] = configuration.fingerprint
            handle.config.update(config, allow_val_change=True)
            (Path(handle.dir) / portable.FOLDER).mkdir(exist_ok=True)
            yield handle
        except BaseException:
            handle.finish(exit_code=1)
            raise
        new = Path(handle.dir).parent
        handle.finish()
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        if old and not old[0].exists():
            new.rename(old[0])  # so that the paths of files stored earlier stay valid

    def _update_summary(
        self, handle: Any, values: Mapping[str, float | str], figures: Mapping[str, str]
    ) -> None:
        """Show values, and figures that are among the run's files, in its summary.

        An offline run cannot be resumed: the run that replaces it restores the summary from a file.
        """
        import json

        shown: dict[str, dict[str, Any]] = {"values": {}, "pictures": {}}
        path = Path(handle.dir) / names.SUMMARY_FILE
        if path.is_file():
            shown = json.loads(path.read_bytes())
        shown["values"].update(values)
        shown["pictures"].update(figures)
        handle.summary.update(shown["values"])
        for key, name in shown["pictures"].items():
            handle.summary[key] = wandb.Image(str(Path(handle.dir) / name))
        if not self._is_online:
            self._save_file(handle, names.SUMMARY_FILE, json.dumps(shown).encode())

    @hookimpl
    def legm_write_summary(self, configuration: Configuration, description: str, summary: Summary) -> None:
        """Store aggregates in the summary and as a file."""
        import json

        with (
            self._translate_errors("store the aggregates"),
            self._computed_run(configuration.experiment, configuration, description) as handle,
        ):
            self._update_summary(handle, display_summary_values(summary), {})
            whole = json.dumps(aggregated_summary_as_dict(summary), indent=1).encode()
            self._save_file(handle, names.AGGREGATES_FILE, whole)

    @hookimpl
    def legm_write_curves(
        self, configuration: Configuration, description: str, curves: Sequence[Curve]
    ) -> None:
        """Store each curve as a table in a file."""
        with (
            self._translate_errors("store the curves"),
            self._computed_run(configuration.experiment, configuration, description) as handle,
        ):
            for curve in curves:
                self._save_file(handle, names.wandb_curve_file_name(curve.metric), portable.curve_csv(curve))

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
        """Store a figure as a file; a PNG is also shown in the summary."""
        with (
            self._translate_errors("store the figure"),
            self._computed_run(experiment, configuration, description) as handle,
        ):
            file = names.wandb_figure_file_name(name, format)
            self._save_file(handle, file, content)
            if format == "png":
                self._update_summary(handle, {}, {names.wandb_figure_summary_key(name): file})
            if self._is_online:
                return f"{handle.url}/files/{file}"
            return str(
                self._folders.folders_of(handle.id)[0] / "files" / file
            )  # where the folder is moved to


def _end_open_wandb_runs(reference: weakref.ref[WandbBackend]) -> None:
    backend = reference()
    if backend is not None:
        backend.end_open_runs()

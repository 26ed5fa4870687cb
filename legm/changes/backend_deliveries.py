"""Does in the backends beside the folders what a command changed: deletes runs, and delivers amended ones.

What is to be done there is in ``<root>/.legm/journal/<id>.backends``, a line of JSON for each run, from
before the command's own journal is done until the backends did it. So whoever finds the file continues. A run
that was amended is pending besides, until its log was delivered: ``legm sync`` and the next run with that
backend deliver it too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from legm.changes.journal import Journal, locked_root
from legm.changes.steps import Step, require_step_path_below
from legm.delivery.amended_runs import keep_marks_of_amended
from legm.delivery.backlog import (
    backends_with_backlog,
    backlog_backend_key,
    deliver_pending_backlog,
    unchosen_backlog_problem,
)
from legm.delivery.client import BackendClient
from legm.delivery.registry import find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import BackendError, CorruptFile, LegmError, storage_error
from legm.records import ChangeKind, Plain, Run, is_record_file_name
from legm.runlog.configuration_folders import refuse_folder_links
from legm.runlog.file_names import BACKEND_TASKS_SUFFIX, JOURNAL, OWN_FOLDER
from legm.runlog.log_folder import LogFolder, find_logs, find_pending_logs
from legm.runlog.log_frames import configuration_frame_content
from legm.runlog.log_reader import decode_log_configuration, read_log_backends
from legm.runlog.log_records import read_log_in_pieces
from legm.util.atomic_files import write_atomically

__all__ = ["deliver_changes", "pending_in_backends", "write_backend_tasks"]

_MOST_FAILURES = 2  # of a backend in a row, after which it is not asked again


@dataclass(frozen=True, slots=True)
class _BackendTask:
    """What backends have still to do with a run.

    Args:
        run_id: the run's id.
        folder: the folder that its log is in, below the root directory.
        deleted: the run as they have it, if they delete it; None if its log is to be delivered.
        backends: by name, the options of each backend that deletes it.
    """

    run_id: str
    folder: str
    deleted: Run | None = None
    backends: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)

    def line(self) -> str:
        """The task as a line of the file."""
        content: dict[str, Plain] = {"run": self.run_id, "folder": self.folder}
        if self.deleted is not None:
            content |= {
                "configuration": configuration_frame_content(self.deleted.configuration),
                "description": self.deleted.description,
                "started": self.deleted.started,
                "backends": {name: dict(options) for name, options in self.backends.items()},
            }
        return json.dumps(content) + "\n"

    @staticmethod
    def from_line(line: str) -> _BackendTask:
        """What :meth:`line` returned.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is something else.
        """
        content = json.loads(line)
        run_id, folder = content["run"], str(content["folder"])
        if not is_record_file_name(run_id):
            raise ValueError("the id of a run")
        require_step_path_below(folder)
        if "configuration" not in content:
            return _BackendTask(run_id, folder)
        configuration = decode_log_configuration(content["configuration"])
        run = Run(run_id, configuration, str(content["description"]), float(content["started"]))
        backends = {str(name): dict(options) for name, options in content["backends"].items()}
        return _BackendTask(run_id, folder, run, backends)


def pending_in_backends(root: Path) -> list[Path]:
    """The files with what backends have still to do, oldest first."""
    folder = root / OWN_FOLDER / JOURNAL
    if folder.is_symlink():
        return []
    return [path for path in sorted(folder.glob(f"*{BACKEND_TASKS_SUFFIX}")) if not path.is_symlink()]


def write_backend_tasks(
    root: Path, journal: Journal, deleting: Iterable[Step], amended: Mapping[str, Path]
) -> None:
    """Write down what backends have to do, before the journal is done.

    Args:
        root: the root directory.
        journal: the command's.
        deleting: its steps that delete runs; their logs are in the trash.
        amended: by id, the folders of the runs whose logs are to be delivered.

    Raises:
        StorageError: it cannot be written.
    """
    tasks = [_BackendTask(run_id, path.relative_to(root).as_posix()) for run_id, path in amended.items()]
    for step in deleting:
        logs = LogFolder.of(root / step.target)
        for run_id, one in step.runs.items():
            path = logs.find(run_id) if one.backends else None
            if path is not None:  # otherwise it was resumed meanwhile, and left
                options = read_log_backends(path)
                backends = {name: options[name] for name in one.backends if name in options}
                run = Run(run_id, step.before, one.description, one.started)
                tasks.append(_BackendTask(run_id, step.target, run, backends))
    path = journal.path.with_suffix(BACKEND_TASKS_SUFFIX)
    if tasks:
        refuse_folder_links(path.parent, path)
        write_atomically(path, "".join(one.line() for one in tasks).encode())


def deliver_changes(root: Path) -> list[str]:
    """Let the backends do what they still have to do.

    Args:
        root: the root directory, which is not locked.

    Returns:
        what a user should know, in a sentence each: what a backend could not do, and what does it later.

    Raises:
        LegmError: a file cannot be read or written.
    """
    notes: list[str] = []
    clients: dict[str, BackendClient] = {}
    if not pending_in_backends(root):
        return notes
    with locked_root(root):
        there = {path.stem for path in find_logs(root)}
        problems = _BackendDeliveryProblems(root, "to be deleted in")

        def is_deleted(task: _BackendTask) -> bool:
            if task.deleted is None:
                return False
            # One that was brought back is none to delete.
            return task.run_id in there or _is_deleted_in_backends(
                root, task, task.deleted, clients, problems
            )

        _keep_backend_tasks(root, lambda task: not is_deleted(task))
        notes += problems.notes()
    problems, pending = _BackendDeliveryProblems(root, "to be changed in"), dict[str, Path]()
    tasks = [
        one for path in pending_in_backends(root) for one in _read_backend_tasks(path) if one.deleted is None
    ]
    for task in tasks:
        if LogFolder.of(root / task.folder).find(task.run_id) is None:  # its folder was renamed
            pending = pending or {path.stem: path for path in find_pending_logs(root)}
        path = pending.get(task.run_id, LogFolder.of(root / task.folder).pending_path(task.run_id))
        _deliver_amended_to_backends(root, path, clients, problems)
    with locked_root(root):
        _keep_backend_tasks(root, lambda task: task.deleted is not None or task.run_id in problems.run_ids)
    return [*notes, *problems.notes()]


def _read_backend_tasks(path: Path) -> Iterator[_BackendTask]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # another process did it all
        return
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    for number, line in enumerate(lines, 1):
        try:
            yield _BackendTask.from_line(line)
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            what = f"it is not what legm wrote: {cause!r}"
            raise CorruptFile(path, f"line {number}", what, "Delete the file.") from cause


def _keep_backend_tasks(root: Path, is_kept: Callable[[_BackendTask], bool]) -> None:
    """Keep some of the tasks, and delete a file in which none is left; the root directory is locked."""
    for path in pending_in_backends(root):
        before = list(_read_backend_tasks(path))
        left = [one for one in before if is_kept(one)]
        if not left:
            path.unlink(missing_ok=True)
        elif left != before:
            write_atomically(path, "".join(one.line() for one in left).encode())


def _is_deleted_in_backends(
    root: Path,
    task: _BackendTask,
    run: Run,
    clients: dict[str, BackendClient],
    problems: _BackendDeliveryProblems,
) -> bool:
    """Delete a run in its backends; whether all of them did."""
    for name, options in task.backends.items():
        target = trusted_target_text(name, options)
        if problems.is_given_up(target):
            problems.add(target, task.run_id)
            continue
        try:
            client = _backend_delivery_client(root, name, options, clients)
            planned = client.plan_change(run, None)
            if planned.kind is not ChangeKind.ABSENT:
                if (root / task.folder).is_dir():  # otherwise the trash was emptied
                    keep_marks_of_amended(planned, LogFolder.of(root / task.folder), run.run_id)
                client.discard_run(run)
            problems.clear(target)
        except LegmError as error:
            problems.add(target, task.run_id, str(error))
    return task.run_id not in problems.run_ids


def _backend_delivery_client(
    root: Path, name: str, options: Mapping[str, Plain], clients: dict[str, BackendClient]
) -> BackendClient:
    key = backlog_backend_key(name, options)
    if key not in clients:
        if not is_trusted(name, options):
            raise BackendError(unchosen_backlog_problem(trusted_target_text(name, options)))
        clients[key] = BackendClient(make_backend(find_backend_by_stored_name(name), root, options), root)
    return clients[key]


def _deliver_amended_to_backends(
    root: Path, path: Path, clients: dict[str, BackendClient], problems: _BackendDeliveryProblems
) -> None:
    """Deliver the log of a run that was amended; nothing where another process has just delivered it."""
    if not path.exists():
        return
    try:
        known = read_log_in_pieces(path)
    except LegmError as error:
        if path.exists():
            problems.add(str(path), path.stem, str(error))
        return
    for name in backends_with_backlog(known):
        options = known.backends[name]
        target = trusted_target_text(name, options)
        if problems.is_given_up(target):
            problems.add(target, path.stem)
        elif not is_trusted(name, options):
            problems.add(target, path.stem, unchosen_backlog_problem(target))
        else:
            one = deliver_pending_backlog(root, path, name, options, clients)
            if one.problem:
                problems.add(target, path.stem, one.problem)
            else:
                problems.clear(target)


class _BackendDeliveryProblems:
    """By backend, what it could not do.

    Args:
        root: the root directory.
        what: what the runs are still waiting for.
    """

    def __init__(self, root: Path, what: str) -> None:
        self._root = root
        self._what = what
        self.run_ids: set[str] = set()
        """The runs that it could not change."""
        self._counts: Counter[str] = Counter()
        self._in_a_row: Counter[str] = Counter()
        self._texts: dict[str, str] = {}

    def add(self, target: str, run_id: str, text: str = "") -> None:
        """Note that a backend could not change a run; without a text, that it was not asked."""
        self.run_ids.add(run_id)
        self._counts[target] += 1
        if text:
            self._in_a_row[target] += 1
            self._texts.setdefault(target, text)

    def clear(self, target: str) -> None:
        """Note that a backend answers."""
        self._in_a_row[target] = 0

    def is_given_up(self, target: str) -> bool:
        """Whether a backend failed so often that it is not asked any more."""
        return self._in_a_row[target] >= _MOST_FAILURES

    def notes(self) -> list[str]:
        """All problems, in a sentence each."""
        return [
            f"{number:,} run{'s are' if number != 1 else ' is'} still {self._what} {target}: "
            f"{self._texts.get(target, '')}; legm sync {self._root} tries it again"
            for target, number in self._counts.items()
        ]

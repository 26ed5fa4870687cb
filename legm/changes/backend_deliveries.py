"""Does in the backends beside the folders what a command changed: deletes runs, and delivers amended ones.

A run that was amended is pending until its log was delivered: ``legm sync``, and the next run with that
backend, finish it too. What is still to be deleted there is in ``<root>/.legm/journal/<id>.deletions``, a
line of JSON for each run, until the backends did it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legm.changes.journal import Journal, Step, locked_root
from legm.delivery.amended_runs import keep_marks
from legm.delivery.backlog import backends_to_deliver_to, deliver_pending_log, unchosen_target_problem
from legm.delivery.client import BackendClient
from legm.delivery.registry import find_backend_by_stored_name, make_backend
from legm.delivery.trusted import is_trusted, trusted_target_text
from legm.errors import BackendError, CorruptFile, LegmError, storage_error
from legm.records import ChangeKind, Plain, Run, is_record_file_name
from legm.runlog.configuration_folders import refuse_links
from legm.runlog.file_names import DELETIONS_SUFFIX, JOURNAL, OWN_FOLDER
from legm.runlog.log_folder import LogFolder, find_logs
from legm.runlog.log_frames import configuration_content
from legm.runlog.log_reader import decode_configuration, read_log_backends
from legm.runlog.log_records import read_log_in_pieces
from legm.util.atomic_files import write_atomically

__all__ = ["deliver_changes", "pending_deletions", "write_deletions"]

_MOST_FAILURES = 2  # of a backend in a row, after which it is not asked again


@dataclass(frozen=True, slots=True)
class _Deletion:
    """A run that is still to be deleted in backends.

    Args:
        run: the run, as they have it.
        folder: the folder that its log is in, below the root directory.
        backends: by name, the options of each.
    """

    run: Run
    folder: str
    backends: Mapping[str, Mapping[str, Plain]]

    def content(self) -> dict[str, Plain]:
        """What the file holds of it."""
        return {
            "run": self.run.run_id,
            "configuration": configuration_content(self.run.configuration),
            "description": self.run.description,
            "started": self.run.started,
            "folder": self.folder,
            "backends": {name: dict(options) for name, options in self.backends.items()},
        }

    @staticmethod
    def from_content(content: Any) -> _Deletion:
        """What :meth:`content` returned.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is something else.
        """
        if not is_record_file_name(content["run"]):
            raise ValueError("the id of a run")
        configuration = decode_configuration(content["configuration"])
        run = Run(content["run"], configuration, str(content["description"]), float(content["started"]))
        backends = {str(name): dict(options) for name, options in content["backends"].items()}
        return _Deletion(run, str(content["folder"]), backends)


def pending_deletions(root: Path) -> list[Path]:
    """The files with what is still to be deleted in backends, oldest first."""
    folder = root / OWN_FOLDER / JOURNAL
    if folder.is_symlink():
        return []
    return [path for path in sorted(folder.glob(f"*{DELETIONS_SUFFIX}")) if not path.is_symlink()]


def write_deletions(root: Path, journal: Journal, steps: Iterable[Step]) -> None:
    """Write down what is to be deleted in backends, before the journal is done.

    Args:
        root: the root directory.
        journal: the command's.
        steps: its steps that delete runs; their logs are in the trash.

    Raises:
        StorageError: it cannot be written.
    """
    lines = []
    for step in steps:
        logs = LogFolder.of(root / step.target)
        for run_id, one in step.runs.items():
            path = logs.find(run_id) if one.backends else None
            if path is not None:  # otherwise it was resumed meanwhile, and left
                options = read_log_backends(path)
                backends = {name: options[name] for name in one.backends if name in options}
                run = Run(run_id, step.before, one.description, one.started)
                lines.append(json.dumps(_Deletion(run, step.target, backends).content()) + "\n")
    path = journal.path.with_suffix(DELETIONS_SUFFIX)
    if lines:
        refuse_links(path.parent, path)
        write_atomically(path, "".join(lines).encode())


def deliver_changes(root: Path, amended: Iterable[Path] = ()) -> list[str]:
    """Delete in the backends what is still to be deleted there, and deliver runs that were amended.

    Args:
        root: the root directory, which is not locked.
        amended: the logs of runs that were amended.

    Returns:
        what a user should know, in a sentence each: what a backend could not do, and what does it later.

    Raises:
        LegmError: a file cannot be read or written.
    """
    notes: list[str] = []
    if pending_deletions(root):
        with locked_root(root):
            notes += _delete_in_backends(root)
    return [*notes, *_deliver_amended(root, amended)]


# Deleting


def _delete_in_backends(root: Path) -> list[str]:
    problems = _Problems(root, "to be deleted in")
    there = {path.stem for path in find_logs(root)}
    clients: dict[str, BackendClient] = {}
    for path in pending_deletions(root):
        left = [
            one
            for one in _read_deletions(path)
            if one.run.run_id not in there  # otherwise it was brought back
            and not _is_deleted(root, one, clients, problems)
        ]
        if left:
            write_atomically(path, "".join(json.dumps(one.content()) + "\n" for one in left).encode())
        else:
            path.unlink()
    return problems.notes()


def _read_deletions(path: Path) -> Iterator[_Deletion]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as cause:
        raise storage_error("read", path, cause) from cause
    for number, line in enumerate(lines, 1):
        try:
            yield _Deletion.from_content(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            what = f"it is not what legm wrote: {cause!r}"
            raise CorruptFile(path, f"line {number}", what, "Delete the file.") from cause


def _is_deleted(
    root: Path, deletion: _Deletion, clients: dict[str, BackendClient], problems: _Problems
) -> bool:
    """Delete a run in its backends; whether all of them did."""
    is_done = True
    for name, options in deletion.backends.items():
        target = trusted_target_text(name, options)
        if problems.is_given_up(target):
            problems.add(target)
            is_done = False
            continue
        try:
            if target not in clients:
                if not is_trusted(name, options):
                    raise BackendError(unchosen_target_problem(target))
                backend = make_backend(find_backend_by_stored_name(name), root, options)
                clients[target] = BackendClient(backend, root)
            planned = clients[target].plan_change(deletion.run, None)
            if planned.kind is not ChangeKind.ABSENT:
                if (root / deletion.folder).is_dir():  # otherwise the trash was emptied
                    keep_marks(planned, LogFolder.of(root / deletion.folder), deletion.run.run_id)
                clients[target].discard_run(deletion.run)
            problems.clear(target)
        except LegmError as error:
            problems.add(target, str(error))
            is_done = False
    return is_done


# Delivering


def _deliver_amended(root: Path, amended: Iterable[Path]) -> list[str]:
    problems = _Problems(root, "to be changed in")
    clients: dict[str, BackendClient] = {}
    for path in amended:
        try:
            known = read_log_in_pieces(path)
        except LegmError as error:
            if path.exists():  # otherwise another process has just delivered it
                problems.add(str(path), str(error))
            continue
        for name in backends_to_deliver_to(known):
            options = known.backends[name]
            target = trusted_target_text(name, options)
            if problems.is_given_up(target):
                problems.add(target)
            elif not is_trusted(name, options):
                problems.add(target, unchosen_target_problem(target))
            else:
                one = deliver_pending_log(root, path, name, options, clients)
                if one.problem:
                    problems.add(target, one.problem)
                else:
                    problems.clear(target)
    return problems.notes()


class _Problems:
    """By backend, what it could not do.

    Args:
        root: the root directory.
        what: what the runs are still waiting for.
    """

    def __init__(self, root: Path, what: str) -> None:
        self._root = root
        self._what = what
        self._counts: Counter[str] = Counter()
        self._in_a_row: Counter[str] = Counter()
        self._texts: dict[str, str] = {}

    def add(self, target: str, text: str = "") -> None:
        """Note that a backend could not change a run; without a text, that it was not asked."""
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

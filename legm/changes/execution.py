"""Does what a journal says, step by step; each may be repeated after it was interrupted."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from legm.changes.backend_deliveries import write_backend_tasks
from legm.changes.journal import ADOPT, FOLDER, MOVE, Journal, Step
from legm.changes.trash import keep_in_trash, trash_folder
from legm.delivery.absent_values import AbsentValuesFile
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import CorruptFile, StateError, StorageError, storage_error
from legm.hooks import FolderChanger
from legm.records import Amendment
from legm.runlog.configuration_folders import (
    artifacts_folder,
    configuration_paths,
    is_configuration_folder,
    refuse_linked_configuration_folder,
    refuse_links,
)
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    ARTIFACTS,
    INDEX,
    JOURNAL_SUFFIX,
    MERGED,
    METRICS_FILE,
    OPEN,
    OWN_FOLDER,
    PARAMETERS_FILE,
    PLOTS,
    RUNS,
    STEPS_FILE,
    TENSORBOARD,
    TRASHED_FILES,
)
from legm.runlog.log_amending import append_amendment, locked_log
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head
from legm.runlog.log_writer import logs_being_written
from legm.util.atomic_files import delete_folder

__all__ = ["execute"]

_AT_ONCE = 100  # runs whose logs are open at the same time


def execute(root: Path, journal: Journal) -> list[str]:
    """Do everything that a journal says; then what was there before is in the trash.

    Args:
        root: the root directory, which is locked.
        journal: the journal.

    Returns:
        what a user should know, in a sentence each.
        :func:`~legm.changes.backend_deliveries.deliver_changes` does the rest.

    Raises:
        LegmError: something cannot be read or written; the journal stays, and the command may be repeated.
    """
    execution = _Execution(root, journal, find_folder_changer(DEFAULT_BACKEND))
    for step in journal.steps():
        execution.do(step)
    execution.finish()
    return execution.notes


class _Execution:
    def __init__(self, root: Path, journal: Journal, changer: FolderChanger) -> None:
        self._root = root
        self._journal = journal
        self._changer = changer
        self._time = float(journal.header()["time"])
        self._experiments: dict[Path, None] = {}
        self._amended: dict[str, Path] = {}  # by run that other backends change too, its folder
        self._has_deletions = False
        self._unamended: set[str] = set()  # runs whose logs are damaged
        self.notes: list[str] = []

    def do(self, step: Step) -> None:
        """Do one step."""
        self._has_deletions |= self._is_deletion(step)
        for path in filter(None, (step.source, step.target)):
            refuse_links(*list((self._root / path).parents)[: path.count("/") - 1])
        if step.kind == ADOPT:
            self._adopt(step)
        elif step.kind == FOLDER:
            self._move_folder(step)
        else:
            self._move(step)

    def finish(self) -> None:
        """Bring indices up to date, wait for the disk, and move the journal to the trash."""
        for experiment in self._experiments:
            if experiment.is_dir():
                self._refresh(experiment)
        header = self._journal.header()
        for old, new in dict(header.get("emptied", {})).items():
            self._empty_experiment(self._root / old, self._root / new if new else None)
        for experiment, values in dict(header.get("absent_values", {})).items():
            if (self._root / experiment).is_dir():
                AbsentValuesFile(self._root / experiment / OWN_FOLDER).merge(values, str(header["title"]))
        if header.get("copies"):
            delete_folder(self._root / OWN_FOLDER / MERGED)
        if "restores" in header:
            self._put_back(str(header["restores"]))
        deleting = filter(self._is_deletion, self._journal.steps()) if self._has_deletions else ()
        write_backend_tasks(self._root, self._journal, deleting, self._amended)
        if hasattr(os, "sync"):
            os.sync()
        kept = trash_folder(self._root, self._journal.name)
        try:
            if header.get("keep", True):
                kept.mkdir(parents=True, exist_ok=True)
                self._journal.path.rename(kept / self._journal.path.name)
            else:
                delete_folder(kept)  # aggregates, which held for what was changed
                self._journal.path.unlink()
        except OSError as cause:
            raise storage_error("move to the trash", self._journal.path, cause) from cause

    def _empty_experiment(self, old: Path, new: Path | None) -> None:
        """Move what is left in an experiment's folder that has no configuration any more."""
        if not old.is_dir() or next(configuration_paths(old), None) is not None:
            return
        for path in sorted(old.iterdir()) if new is not None and new.is_dir() else ():
            if path.name != OWN_FOLDER:
                _move_path(path, new / path.name)  # type: ignore[operator]
        keep_in_trash(self._root, self._journal.name, old)

    def _put_back(self, name: str) -> None:
        """Put the aggregates and plots back that another command moved to the trash, and forget the rest."""
        item = trash_folder(self._root, name)
        files, journal = item / TRASHED_FILES, Journal(item / f"{name}{JOURNAL_SUFFIX}")
        paths = [*files.rglob(AGGREGATES_FILE), *files.rglob(f"*{PLOTS}")]
        renamed = (
            {step.target: step.source for step in journal.steps() if step.kind == ADOPT} if paths else {}
        )
        for path in paths:
            folder = path.parent.relative_to(files).as_posix()
            now = self._root / renamed.get(folder, folder)
            if is_configuration_folder(now) and not self._is_own(now):
                _move_path(path, now / path.name)
        delete_folder(item)

    def _refresh(self, experiment: Path) -> None:
        if any(path.name != OWN_FOLDER for path in experiment.iterdir()):
            self._changer.refresh(experiment)
        elif (experiment / OWN_FOLDER / INDEX).exists() and experiment.is_relative_to(self._root):
            keep_in_trash(self._root, self._journal.name, experiment)

    # Runs that are in other backends too

    def _is_deletion(self, step: Step) -> bool:
        """Whether a step deletes runs that are in other backends too."""
        return step.has_backends and bool(step.target) and self._is_own(self._root / step.target)

    def _is_noted_in_logs(self, step: Step) -> bool:
        """Whether the logs of a step's runs say what the runs are now, or that other backends change them."""
        return step.is_amendment or (step.has_backends and not self._is_deletion(step))

    def _reopen(self, step: Step, folder: Path, without: Iterable[str] = ()) -> None:
        """Move the logs of runs that other backends still have to change to the pending ones."""
        logs, left = LogFolder.of(folder), {*without, *self._unamended}
        for run_id, run in step.runs.items():
            path = logs.find(run_id) if run.backends and run_id not in left else None
            if path is not None:
                logs.create_folders()
                _move_path(path, logs.pending_path(run_id))
                self._amended[run_id] = folder

    # A folder that becomes that of another configuration

    def _adopt(self, step: Step) -> None:
        source, target = self._root / step.source, self._root / (step.target or step.source)
        folder = source if is_configuration_folder(source) else target
        if not is_configuration_folder(folder):
            return None  # a user deleted it meanwhile
        logs = LogFolder.of(folder)
        is_same = step.before.fingerprint == step.after.fingerprint
        is_done = folder == target and self._changer.stated(target) == step.after.fingerprint
        with contextlib.ExitStack() as held:
            files, held_back = self._hold(held, logs, step)
            if is_same or not is_done:
                is_shared = not is_same and (bool(held_back) or self._others(folder, step))
                if is_shared or not self._change_folder(step, folder, target):
                    held.close()
                    return self._move(step)
            runs = [step.amended(run_id) for run_id in step.runs if run_id not in held_back]
            if self._is_noted_in_logs(step):
                held_back = [
                    *held_back,
                    *self._append_amendments(step, LogFolder.of(target), files, held_back),
                ]
                self._changer.amend_runs(target, runs, parameters_change=step.parameters_change)
                self._reopen(step, target, held_back)
            elif source != target:
                self._changer.amend_runs(target, runs, parameters_change=False)
            self._note_running(held_back)
        self._note_experiments(source, target)
        return None

    def _is_own(self, path: Path) -> bool:
        """Whether a path is in legm's own folder, such as the trash."""
        return path.is_relative_to(self._root / OWN_FOLDER)

    def _note_experiments(self, *folders: Path) -> None:
        """Note the experiments whose index is to be brought up to date at the end."""
        for folder in folders:
            if not self._is_own(folder):
                self._experiments[folder.parent] = None

    def _note_running(self, run_ids: Iterable[str]) -> None:
        self.notes += [f"the run {run_id} is running, and was left as it is" for run_id in run_ids]

    def _change_folder(self, step: Step, folder: Path, target: Path) -> bool:
        """Change what a folder is of; returns whether no run of the old configuration began meanwhile."""
        if folder != target and target.exists():
            return False
        if not self._changer.adopt(step.after, folder, target, self._experiment_of(target)):
            return False
        if self._late_runs(step, target):
            self._changer.adopt(step.before, target, folder, self._experiment_of(folder))
            return False
        return True

    @staticmethod
    def _experiment_of(folder: Path) -> Path:
        """The folder of the experiment that a configuration's folder is in, which may be deeper in it."""
        for parent in list(folder.parents)[:3]:
            if (parent / OWN_FOLDER / INDEX).exists():
                return parent
        return folder.parent

    def _late_runs(self, step: Step, folder: Path) -> list[str]:
        """The runs that began with the old configuration after the folder was looked at."""
        late = []
        for path in LogFolder.of(folder).logs_except(step.runs):
            with contextlib.suppress(StorageError):  # its process noticed, and began it elsewhere
                if read_log_head(path).run.configuration.fingerprint != step.after.fingerprint:
                    late.append(path.stem)
        return late

    def _others(self, folder: Path, step: Step) -> bool:
        """Whether a folder has runs that the step does not know."""
        known = {path.stem for path in LogFolder.of(folder).logs_except(())}
        return not known.union(self._changer.stored_run_ids(folder)) <= {*step.runs}

    def _hold(
        self, held: contextlib.ExitStack, logs: LogFolder, step: Step
    ) -> tuple[dict[str, tuple[Path, BinaryIO]], list[str]]:
        """Lock the logs of a step's runs, at most so many that a process may have as many files open.

        Returns:
            by run, its log; and the runs that a process writes.
        """
        files: dict[str, tuple[Path, BinaryIO]] = {}
        written: list[str] = []
        paths = {path.stem: path for path in logs.logs_except(())}
        rest = []
        for run_id in step.runs:
            if (path := paths.get(run_id)) is None:
                continue
            if len(files) >= _AT_ONCE:
                rest.append(path)
                continue
            try:
                files[run_id] = path, held.enter_context(locked_log(path))
            except StateError:
                written.append(run_id)
        return files, written + [path.stem for path in logs_being_written(rest)]

    def _append_amendments(
        self,
        step: Step,
        logs: LogFolder,
        files: Mapping[str, tuple[Path, BinaryIO]],
        without: Iterable[str] = (),
    ) -> list[str]:
        """Append to the log of each run what it is now; returns the runs that were resumed meanwhile."""
        resumed = []
        for run_id, (path, file) in files.items():
            now = logs.open_folder / path.name if path.parent.name == OPEN else logs.folder / path.name
            self._append(step, run_id, now, file)
        for run_id in (step.runs.keys() - files.keys()).difference(without):
            log = logs.find(run_id)
            if log is None:
                continue
            try:
                with locked_log(log) as file:
                    self._append(step, run_id, log, file)
            except StateError:
                resumed.append(run_id)
        return resumed

    def _append(self, step: Step, run_id: str, path: Path, file: BinaryIO) -> None:
        try:
            run = step.runs[run_id]
            append_amendment(path, file, Amendment(step.after, run.after, self._time, run.backends))
        except CorruptFile as error:  # what is stored of the run beside the log changes all the same
            self._unamended.add(run_id)
            others = f", and {', '.join(run.backends)} has the run as it was" if run.backends else ""
            self.notes.append(f"{error} The log was not amended{others}.")

    # Runs that move to another folder

    def _move(self, step: Step) -> None:
        source = self._root / step.source
        if not is_configuration_folder(source):
            return
        logs = LogFolder.of(source)
        present = {path.stem for path in logs.logs_except(())}.union(self._changer.stored_run_ids(source))
        here = [run_id for run_id in step.runs if run_id in present]
        target = self._target(step)
        for part in _chunks(here):
            self._move_runs(replace(step, runs={one: step.runs[one] for one in part}), source, target)
        if self._is_noted_in_logs(step):
            self._reopen(step, target)
        self._tidy(source, target, step)
        self._note_experiments(source, target)
        return

    def _target(self, step: Step) -> Path:
        if not step.target or not self._is_own(self._root / step.target):
            return self._changer.make(self._root, step.after)
        target = self._root / step.target
        if not is_configuration_folder(target):
            self._changer.make_copy(target, step.after)
        return target

    def _move_runs(self, step: Step, source: Path, target: Path) -> None:
        logs, new_logs = LogFolder.of(source), LogFolder.of(target)
        refuse_linked_configuration_folder(source)
        new_logs.create_folders()
        if self._is_own(source):
            self._changer.hide_from_viewers(source, hidden=False)
        with contextlib.ExitStack() as held:
            files, running = self._hold(held, logs, step)
            self._note_running(running)
            movable = [run_id for run_id in step.runs if run_id not in running]
            self._changer.move_runs(source, target, [step.amended(run_id) for run_id in movable])
            if self._is_noted_in_logs(step):
                self._append_amendments(step, logs, files, running)
            for run_id in movable:
                _move_path(artifacts_folder(source, run_id), artifacts_folder(target, run_id))
                for path in logs.folder.glob(f"{run_id}.*.yml"):  # what a user noted about it
                    _move_path(path, new_logs.folder / path.name)
                log = logs.find(run_id)
                if log is not None:
                    self._move_log(log, logs, new_logs)
        if self._is_own(target):
            self._changer.hide_from_viewers(target, hidden=True)

    def _move_log(self, path: Path, logs: LogFolder, new_logs: LogFolder) -> None:
        is_open = logs.is_open(path)
        now = new_logs.pending_path(path.stem) if is_open else new_logs.finalized_path(path.stem)
        if new_logs.find(path.stem) is not None:  # a copy of the run, as copies of folders have
            keep_in_trash(self._root, self._journal.name, path)
        else:
            _move_path(path, now)

    def _tidy(self, source: Path, target: Path, step: Step) -> None:
        """Move to the trash what no longer holds, and a folder that has no runs any more."""
        for folder in (source, target):
            self._drop_aggregates(folder)
        left = {path.stem for path in LogFolder.of(source).logs_except(())}
        if (step.kind == MOVE and step.target) or left.union(self._changer.stored_run_ids(source)):
            return
        for path in sorted(source.iterdir()):
            own = {PARAMETERS_FILE, RUNS, ARTIFACTS, TENSORBOARD, METRICS_FILE, STEPS_FILE}
            if path.name not in own and not path.name.startswith("."):
                free = target / path.name
                if free.exists():
                    free = target / f"from-{source.name}" / path.name
                _move_path(path, free)
        if self._is_own(source):  # from the trash
            delete_folder(source)
        else:
            keep_in_trash(self._root, self._journal.name, source)

    def _drop_aggregates(self, folder: Path) -> None:
        if self._is_own(folder):
            return
        plots = [
            path for path in folder.glob(f"*{PLOTS}") if path.name == PLOTS or path.name.endswith(f"-{PLOTS}")
        ]
        stale = [path for path in (folder / AGGREGATES_FILE, *plots) if path.exists()]
        for path in stale:
            keep_in_trash(self._root, self._journal.name, path)
        if stale:
            self.notes.append(
                f"the aggregates and plots of {folder.name} are of other runs, and were removed"
            )

    # A folder that moves as it is

    def _move_folder(self, step: Step) -> None:
        source, target = self._root / step.source, self._root / step.target
        if is_configuration_folder(source) and not self._is_folder_moved(step, source, target):
            return self._move(step)
        if is_configuration_folder(target):
            self._changer.hide_from_viewers(target, hidden=self._is_own(target))
            if self._is_noted_in_logs(step):
                resumed = self._append_amendments(step, LogFolder.of(target), {})
                self._reopen(step, target, resumed)
        self._note_experiments(source, target)
        return None

    def _is_folder_moved(self, step: Step, source: Path, target: Path) -> bool:
        """Rename a folder; returns whether it could be, with no run that the step does not know."""
        with contextlib.ExitStack() as held:
            _, running = self._hold(held, LogFolder.of(source), step)
            if running or target.exists() or self._others(source, step):
                return False
            if self._is_own(target):
                trash_folder(self._root, self._journal.name)
            _move_path(source, target)
            if LogFolder.of(target).logs_except(step.runs) and not source.exists():  # one began just now
                _move_path(target, source)
                return False
        return True


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while part := list(itertools.islice(iterator, _AT_ONCE)):
        yield part


def _move_path(path: Path, now: Path) -> None:
    """Rename a file or folder; nothing where it is not there any more, or was moved before."""
    if not path.exists() or now.exists():
        return
    refuse_links(now.parent)
    try:
        now.parent.mkdir(parents=True, exist_ok=True)
        path.rename(now)
    except OSError as cause:
        raise storage_error("move to", now, cause) from cause

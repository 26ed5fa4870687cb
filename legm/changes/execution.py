"""Does what a journal says, step by step; each may be repeated after it was interrupted."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from legm.changes.finishing import finish_changes
from legm.changes.held_logs import MOST_HELD, HeldLogs, append_to_held_logs, most_held
from legm.changes.journal import Journal, JournalLine
from legm.changes.shared_work import share_work, wait_for_shared_work
from legm.changes.steps import ADOPT, FOLDER, MOVE, Step
from legm.changes.trash import (
    is_own_path,
    keep_folder_without_runs,
    keep_in_trash,
    move_path,
    trash_folder,
)
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import StorageError
from legm.hooks import FolderChanger
from legm.records import Adoption, Plain
from legm.runlog.configuration_folders import (
    artifacts_folder,
    experiment_folder_of_configuration,
    is_configuration_folder,
    refuse_folder_links,
    refuse_linked_configuration_folder,
)
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    ARTIFACTS,
    METRICS_FILE,
    PARAMETERS_FILE,
    PLOTS,
    RUNS,
    STEPS_FILE,
    TENSORBOARD,
)
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head
from legm.util.atomic_files import delete_folder
from legm.util.forked_calls import number_of_forked_processes

__all__ = ["execute_steps"]

_WORTH_PROCESSES = 500  # folders
_MOST_NAMED = 5  # folders in a sentence


def execute_steps(root: Path, journal: Journal) -> list[str]:
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
    changer = find_folder_changer(DEFAULT_BACKEND)
    execution = _Execution(root, journal, changer)
    may_share = wait_for_shared_work(journal.path)
    for lines in journal.independent_steps():
        count = number_of_forked_processes() if may_share and len(lines) >= _WORTH_PROCESSES else 1
        for done in share_work(
            lines, lambda part: _Execution(root, journal, changer).work(part), journal.path, count
        ):
            execution.learn(done)
    execution.finish()
    return execution.notes


@dataclass(slots=True)
class _Adoption:
    """A folder that is adopted.

    Args:
        step: the step.
        folder: where it is.
        target: where it is afterwards.
        logs: those of its runs, locked.
        is_to_change: whether it is still of the old configuration.
        is_refused: whether the runs have to move to another folder instead.
    """

    step: Step
    folder: Path
    target: Path
    logs: HeldLogs
    is_to_change: bool = False
    is_refused: bool = False


class _ExecutionFolders:
    """Folders for a sentence, which names the first ones and says how many others there are."""

    def __init__(self) -> None:
        self.number = 0
        self.first: list[str] = []

    def add(self, number: int, *names: str) -> None:
        """Add so many folders, with the names of some."""
        self.number += number
        self.first = [*self.first, *names][:_MOST_NAMED]

    def text(self) -> str:
        """Their names; "" for none."""
        more = self.number - len(self.first)
        return ", ".join(self.first) + (f" and {more:,} more" if more else "")


class _Execution:
    def __init__(self, root: Path, journal: Journal, changer: FolderChanger) -> None:
        self._root = root
        self._journal = journal
        self._changer = changer
        self._time = float(journal.header()["time"])
        self._experiments: dict[Path, None] = {}
        self._noted: set[Path] = set()  # folders that have configurations
        self._amended: dict[str, Path] = {}  # by run that other backends change too, its folder
        self._has_deletions = False
        self._unamended: set[str] = set()  # runs whose logs are damaged
        self._without_aggregates = _ExecutionFolders()
        self._notes: list[str] = []

    @property
    def notes(self) -> list[str]:
        """What a user should know, in a sentence each."""
        names = self._without_aggregates.text()
        removed = (
            [f"the aggregates and plots of {names} are of other runs, and were removed"] if names else []
        )
        return [*self._notes, *removed]

    def do(self, steps: Sequence[Step]) -> None:
        """Do a step, or several of different configurations that adopt folders."""
        for step in steps:
            self._has_deletions |= self._is_deletion(step)
            for path in filter(None, (step.source, step.target)):
                refuse_folder_links(*list((self._root / path).parents)[: path.count("/") - 1])
        if steps[0].kind == ADOPT:
            self._adopt(steps)
        elif steps[0].kind == FOLDER:
            self._move_folder(*steps)
        else:
            self._move(*steps)

    def work(self, lines: Iterable[JournalLine]) -> dict[str, Plain]:
        """Do independent steps; returns what :meth:`learn` takes."""
        for steps in _executed_at_once(map(self._journal.step, lines), most_held()):
            self.do(steps)
        return {
            "notes": [*self._notes],
            "without_aggregates": [self._without_aggregates.number, *self._without_aggregates.first],
            "experiments": [str(one) for one in self._experiments],
            "amended": {run_id: str(folder) for run_id, folder in self._amended.items()},
            "has_deletions": self._has_deletions,
        }

    def learn(self, done: Mapping[str, Any]) -> None:
        """Note what was done by another execution of the same journal."""
        self._notes += done["notes"]
        self._without_aggregates.add(*done["without_aggregates"])
        self._experiments |= dict.fromkeys(map(Path, done["experiments"]))
        self._amended |= {run_id: Path(folder) for run_id, folder in done["amended"].items()}
        self._has_deletions |= done["has_deletions"]

    def finish(self) -> None:
        """Bring what is kept of the experiments up to date, and move the journal to the trash."""
        deleting = filter(self._is_deletion, self._journal.steps()) if self._has_deletions else ()
        finish_changes(self._root, self._journal, self._changer, self._experiments, deleting, self._amended)

    # Runs that are in other backends too

    def _is_deletion(self, step: Step) -> bool:
        """Whether a step deletes runs that are in other backends too."""
        return step.has_backends and bool(step.target) and is_own_path(self._root, self._root / step.target)

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
                move_path(path, logs.pending_path(run_id))
                self._amended[run_id] = folder

    # Folders that become those of other configurations

    def _adopt(self, steps: Sequence[Step]) -> None:
        """Do steps in which folders are adopted, whose logs are open at the same time."""
        refused = []
        with contextlib.ExitStack() as held:
            adoptions = [one for step in steps if (one := self._held_adoption(held, step)) is not None]
            self._change_folders([one for one in adoptions if one.is_to_change])
            for one in adoptions:
                if one.is_refused:
                    refused.append(one.step)
                else:
                    self._amend_adopted(one)
        for step in refused:
            self._move(step)

    def _held_adoption(self, held: contextlib.ExitStack, step: Step) -> _Adoption | None:
        """A folder that is to be adopted, the logs of its runs locked; None where there is none any more."""
        source, target = self._root / step.source, self._root / (step.target or step.source)
        folder = source if is_configuration_folder(source) else target
        if not is_configuration_folder(folder):
            return None  # a user deleted it meanwhile
        is_same = step.before.fingerprint == step.after.fingerprint
        is_done = folder == target and self._changer.stated(target) == step.after.fingerprint
        found = _Adoption(step, folder, target, HeldLogs(held, LogFolder.of(folder), step.runs, most_held()))
        if is_same or not is_done:
            found.is_refused = (not is_same and (bool(found.logs.running) or self._has_others(found))) or (
                folder != target and target.exists()
            )
            found.is_to_change = not found.is_refused
        return found

    def _has_others(self, adoption: _Adoption) -> bool:
        """Whether a folder has runs that the step does not know."""
        known = adoption.logs.known.union(self._changer.stored_run_ids(adoption.folder))
        return not known <= adoption.step.runs.keys()

    def _change_folders(self, adoptions: Sequence[_Adoption]) -> None:
        """Change what folders are of, except where a run of the old configuration began meanwhile."""
        by_experiment: dict[Path, list[_Adoption]] = {}
        for one in adoptions:
            by_experiment.setdefault(experiment_folder_of_configuration(one.target), []).append(one)
        for experiment, members in by_experiment.items():
            wanted = [Adoption(one.step.after, one.folder, one.target) for one in members]
            for one, is_adopted in zip(members, self._changer.adopt(experiment, wanted), strict=True):
                one.is_refused = not is_adopted
                if is_adopted and self._late_runs(one.step, one.target):
                    back = Adoption(one.step.before, one.target, one.folder)
                    self._changer.adopt(experiment_folder_of_configuration(one.folder), [back])
                    one.is_refused = True

    def _amend_adopted(self, adoption: _Adoption) -> None:
        """Change what is stored of the runs in a folder that was adopted."""
        step, target, logs = adoption.step, adoption.target, adoption.logs
        left = list(logs.running)
        runs = [step.amended(run_id) for run_id in step.runs if run_id not in left]
        if self._is_noted_in_logs(step):
            left += self._append_amendments(step, LogFolder.of(target), logs)
            self._changer.amend_runs(
                target, runs, step.earlier_descriptions, entries_change=step.entries_change
            )
            if step.earlier_descriptions:
                self._drop_aggregates(target)
            self._reopen(step, target, left)
        elif step.source != (step.target or step.source):
            self._changer.amend_runs(target, runs, {}, entries_change=False)
        self._note_running(left)
        self._note_experiments(self._root / step.source, target)

    def _append_amendments(self, step: Step, now: LogFolder, held: HeldLogs | None = None) -> list[str]:
        """Append to the log of each run what it is now; returns the runs that were resumed meanwhile."""
        files, running = (held.files, held.running) if held is not None else ({}, [])
        done = append_to_held_logs(step, now, files, running, self._time)
        self._notes += done.notes
        self._unamended |= done.damaged
        return done.resumed

    def _note_experiments(self, *folders: Path) -> None:
        """Note the experiments whose index is to be brought up to date at the end."""
        for folder in folders:
            if folder.parent not in self._noted:
                self._noted.add(folder.parent)
                if not is_own_path(self._root, folder):
                    self._experiments[experiment_folder_of_configuration(folder)] = None

    def _note_running(self, run_ids: Iterable[str]) -> None:
        self._notes += [f"the run {run_id} is running, and was left as it is" for run_id in run_ids]

    def _late_runs(self, step: Step, folder: Path) -> list[str]:
        """The runs that began with the old configuration after the folder was looked at."""
        late = []
        for path in LogFolder.of(folder).logs_except(step.runs):
            with contextlib.suppress(StorageError):  # its process noticed, and began it elsewhere
                if read_log_head(path).run.configuration.fingerprint != step.after.fingerprint:
                    late.append(path.stem)
        return late

    # Runs that move to another folder

    def _move(self, step: Step) -> None:
        source = self._root / step.source
        if not is_configuration_folder(source):
            return
        logs = LogFolder.of(source)
        present = {path.stem for path in logs.logs_except(())}.union(self._changer.stored_run_ids(source))
        here = [run_id for run_id in step.runs if run_id in present]
        target = self._target(step)
        if target.samefile(source):  # only what is not compared changes: the runs stay where they are
            for part in _execution_chunks(here):
                self._amend_where_they_are(replace(step, runs={one: step.runs[one] for one in part}), source)
            return
        for part in _execution_chunks(here):
            self._move_runs(replace(step, runs={one: step.runs[one] for one in part}), source, target)
        if self._is_noted_in_logs(step):
            self._reopen(step, target)
        self._tidy(source, target, step)
        self._note_experiments(source, target)

    def _amend_where_they_are(self, step: Step, folder: Path) -> None:
        """Change what is stored of runs of which only what is not compared changes."""
        with contextlib.ExitStack() as held:
            logs = HeldLogs(held, LogFolder.of(folder), step.runs)
            self._amend_adopted(_Adoption(step, folder, folder, logs))

    def _target(self, step: Step) -> Path:
        if not step.target or not is_own_path(self._root, self._root / step.target):
            return self._changer.make(self._root, step.after)
        target = self._root / step.target
        if not is_configuration_folder(target):
            self._changer.make_copy(target, step.after)
        return target

    def _move_runs(self, step: Step, source: Path, target: Path) -> None:
        logs, new_logs = LogFolder.of(source), LogFolder.of(target)
        refuse_linked_configuration_folder(source)
        new_logs.create_folders()
        if is_own_path(self._root, source):
            self._changer.hide_from_viewers(source, hidden=False)
        with contextlib.ExitStack() as held:
            found = HeldLogs(held, logs, step.runs)
            self._note_running(found.running)
            movable = [run_id for run_id in step.runs if run_id not in found.running]
            runs = [step.amended(run_id) for run_id in movable]
            self._changer.move_runs(source, target, runs, step.earlier_descriptions)
            if self._is_noted_in_logs(step):
                self._append_amendments(step, logs, found)
            for run_id in movable:
                move_path(artifacts_folder(source, run_id), artifacts_folder(target, run_id))
                for path in logs.folder.glob(f"{run_id}.*.yml"):  # what a user noted about it
                    move_path(path, new_logs.folder / path.name)
                log = logs.find(run_id)
                if log is not None:
                    self._move_log(log, logs, new_logs)
        if is_own_path(self._root, target):
            self._changer.hide_from_viewers(target, hidden=True)

    def _move_log(self, path: Path, logs: LogFolder, new_logs: LogFolder) -> None:
        is_open = logs.is_open(path)
        now = new_logs.pending_path(path.stem) if is_open else new_logs.finalized_path(path.stem)
        if new_logs.find(path.stem) is not None:  # a copy of the run, as copies of folders have
            keep_in_trash(self._root, self._journal.name, path)
        else:
            move_path(path, now)

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
                move_path(path, free)
        if is_own_path(self._root, source):  # from the trash
            delete_folder(source)
        else:
            keep_folder_without_runs(self._root, self._journal.name, source)

    def _drop_aggregates(self, folder: Path) -> None:
        if is_own_path(self._root, folder):
            return
        plots = [
            path for path in folder.glob(f"*{PLOTS}") if path.name == PLOTS or path.name.endswith(f"-{PLOTS}")
        ]
        stale = [path for path in (folder / AGGREGATES_FILE, *plots) if path.exists()]
        for path in stale:
            keep_in_trash(self._root, self._journal.name, path)
        if stale:
            self._without_aggregates.add(1, folder.name)

    # A folder that moves as it is

    def _move_folder(self, step: Step) -> None:
        source, target = self._root / step.source, self._root / step.target
        if is_configuration_folder(source) and not self._is_folder_moved(step, source, target):
            return self._move(step)
        if is_configuration_folder(target):
            self._changer.hide_from_viewers(target, hidden=is_own_path(self._root, target))
            if self._is_noted_in_logs(step):
                resumed = self._append_amendments(step, LogFolder.of(target))
                self._reopen(step, target, resumed)
        self._note_experiments(source, target)
        return None

    def _is_folder_moved(self, step: Step, source: Path, target: Path) -> bool:
        """Rename a folder; returns whether it could be, with no run that the step does not know."""
        with contextlib.ExitStack() as held:
            found = _Adoption(step, source, target, HeldLogs(held, LogFolder.of(source), step.runs))
            if found.logs.running or target.exists() or self._has_others(found):
                return False
            if is_own_path(self._root, target):
                trash_folder(self._root, self._journal.name)
            move_path(source, target)
            if LogFolder.of(target).logs_except(step.runs) and not source.exists():  # one began just now
                move_path(target, source)
                return False
        return True


def _executed_at_once(steps: Iterable[Step], most: int) -> Iterator[list[Step]]:
    """Steps that adopt folders, in parts whose logs may be open at the same time; others by themselves.

    Args:
        steps: the steps.
        most: how many logs may be.
    """
    part: list[Step] = []
    runs = 0
    for step in steps:
        if part and (step.kind != ADOPT or runs + len(step.runs) > most):
            yield part
            part, runs = [], 0
        part.append(step)
        runs += len(step.runs)
    if part:
        yield part


def _execution_chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while part := list(itertools.islice(iterator, MOST_HELD)):
        yield part

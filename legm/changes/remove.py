"""Deletes runs, configurations and experiments into the trash, and brings them back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from legm.changes.absent_values_change import AbsentValuesChange
from legm.changes.amend import finish_pending_changes
from legm.changes.backend_deliveries import deliver_changes
from legm.changes.comparison_change import ComparisonChange
from legm.changes.execution import execute_steps
from legm.changes.journal import Journal, locked_root
from legm.changes.other_backends import OtherBackends, PlannedInBackends, stored_targets
from legm.changes.plan import planned_run_moves
from legm.changes.steps import ADOPT, FOLDER, MOVE, Step
from legm.changes.trash import TrashItem, trashed_path
from legm.delivery.folder_access import FolderAccess, default_folder_access
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import ParameterError, closest
from legm.hooks import FolderChanger
from legm.records import Plain
from legm.runlog.configuration_folders import configuration_paths, is_configuration_folder
from legm.runlog.log_folder import LogFolder, find_logs

__all__ = ["Deletion", "Removed", "delete", "restore"]


@dataclass(slots=True)
class Deletion:
    """What is to be deleted in a root directory.

    Args:
        root: the root directory.
        experiments: the folders of experiments that are deleted.
        folders: the folders of configurations that are deleted, those of the experiments among them.
        runs: by folder, the ids of single runs.
        selected: the folders of which ``runs`` has what a selection chose: one that would be left without
            runs is deleted as a whole.
        in_backends: what becomes of the runs in the backends beside the folders, once it was planned.
    """

    root: Path
    experiments: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    runs: dict[Path, list[str]] = field(default_factory=dict)
    selected: set[Path] = field(default_factory=set)
    in_backends: PlannedInBackends = field(default_factory=PlannedInBackends)

    def add_experiment(self, experiment: Path) -> None:
        """Add an experiment with all its configurations."""
        self.experiments.append(experiment)
        self.folders += [experiment / path for path in configuration_paths(experiment)]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted or brought back.

    Args:
        runs: the ids of the runs.
        trash: the id under which the trash has them; "" where they were brought back, or nothing was done.
        notes: what a user should know, in a sentence each.
    """

    runs: tuple[str, ...]
    trash: str = ""
    notes: tuple[str, ...] = ()


def delete(
    deletion: Deletion,
    *,
    title: str,
    confirm: Callable[[list[str]], bool] = lambda _: True,
    dry_run: bool = False,
) -> Removed:
    """Delete runs with all that belongs to them: they are in the trash until a user empties it.

    Args:
        deletion: what.
        title: what this is, for the trash.
        confirm: is given the ids of the runs and decides whether to go ahead.
        dry_run: whether it is only wanted which runs would be deleted.

    Raises:
        StateError: a run is running; nothing was deleted.
        NotSupported: a run is in a backend that cannot delete it; nothing was deleted.
        LegmError: something is damaged, or cannot be read or written.
    """
    root, folders = deletion.root, default_folder_access()
    runs: list[str] = []
    if dry_run:
        for _ in _removing_steps(deletion, "", runs, folders):
            pass
        return Removed(tuple(runs))
    with locked_root(root):
        done = finish_pending_changes(root)
        name = Journal.new_id()
        emptied = {folder.relative_to(root).as_posix(): "" for folder in deletion.experiments}
        steps = _removing_steps(deletion, name, runs, folders)
        with Journal.drafted(root, name, title, steps, emptied=emptied) as draft:
            journal = draft.begin() if confirm(runs) else None
        if journal is not None:
            done += execute_steps(root, journal)
    notes = (*done, *deliver_changes(root))
    return Removed((), notes=notes) if journal is None else Removed(tuple(runs), name, notes)


def _removing_steps(
    deletion: Deletion, name: str, deleted: list[str], folders: FolderAccess
) -> Iterator[Step]:
    wanted = dict.fromkeys(deletion.folders) | {
        folder: ids for folder, ids in deletion.runs.items() if folder not in deletion.folders
    }
    others = OtherBackends(deletion.root, deletion.in_backends)
    for folder, ids in wanted.items():
        configuration = folders.read_configuration(folder)
        results = list(folders.read_runs(folder))
        runs = planned_run_moves(one for one in results if ids is None or one.run.run_id in ids)
        deleted += runs
        source = folder.relative_to(deletion.root).as_posix()
        is_whole = ids is None or (folder in deletion.selected and len(runs) == len(results))
        kind = FOLDER if is_whole else MOVE
        step = Step(kind, source, trashed_path(name, source), configuration, configuration, runs)
        stored = stored_targets(folder, runs.keys())
        yield step.with_backends(others.plan(step.runs_to_change(are_deleted=True), stored))


def restore(root: Path, item: TrashItem, run: str | None = None) -> Removed:
    """Bring back what a command changed or deleted.

    Args:
        root: the root directory.
        item: what the command left in the trash.
        run: the only run to bring back, by its id or the end of it; None for all.

    Raises:
        ParameterError: the trash does not have the run.
        LegmError: something is damaged, or cannot be read or written.
    """
    if item.problem is not None:
        raise item.problem
    changer = find_folder_changer(DEFAULT_BACKEND)
    planned = PlannedInBackends()
    runs: list[str] = []
    changed: list[str] = []
    with locked_root(root):
        done = finish_pending_changes(root)
        run = None if run is None else _named_run(item, run)
        there = {path.stem for path in find_logs(root)}
        found = reversed(list(item.journal.steps()))
        others = OtherBackends(root, planned)
        steps = _restoring_removed_steps(root, found, run, changer, there, runs, changed, others)
        whole: dict[str, Plain] = {}
        if run is None:
            corrected = dict(item.journal.header().get("corrected_absent_values", {}))
            reverse = {one: AbsentValuesChange.of_content(about) for one, about in corrected.items()}
            whole = {"restores": item.name}
            whole["corrected_absent_values"] = {one: its.reversed().content() for one, its in reverse.items()}
            whole["compared_by_imports"] = {
                one: ComparisonChange.of_content(about).reversed().content()
                for one, about in dict(item.journal.header().get("compared_by_imports", {})).items()
            }
        name = Journal.new_id()
        title = f"restore {item.name}: {item.title}"
        with Journal.drafted(root, name, title, steps, keep=False, **whole) as draft:
            if run is not None and not runs:
                raise ParameterError(f"{item.name} in the trash has no run {run!r} to bring back")
            journal = draft.begin()
        done += execute_steps(root, journal)
    notes = [*done, *planned.sentences(), *deliver_changes(root)]
    notes += [
        f"the run {run_id} was changed again or deleted since, and was left as it is" for run_id in changed
    ]
    return Removed(tuple(dict.fromkeys(runs)), notes=tuple(notes))


def _named_run(item: TrashItem, text: str) -> str:
    """The id of the run, of those that a command changed, that a text names.

    Raises:
        ParameterError: there is none, or there are several.
    """
    known = [run_id for step in item.journal.steps() for run_id in step.runs]
    found = {run_id for run_id in known if text and run_id.endswith(text)}
    if len(found) != 1:
        several = (
            f"{len(found)} runs of it have ids that end in {text!r}" if found else f"it has no run {text!r}"
        )
        raise ParameterError(f"{item.name} in the trash: {several}; {closest(text, sorted(found) or known)}")
    return found.pop()


def _restoring_removed_steps(
    root: Path,
    steps: Iterable[Step],
    run: str | None,
    changer: FolderChanger,
    there: set[str],
    restored: list[str],
    changed: list[str],
    others: OtherBackends,
) -> Iterator[Step]:
    for step in steps:
        is_deletion = step.kind == FOLDER or (step.kind == MOVE and bool(step.target))
        now = root / step.target if is_deletion else changer.find(root, step.after)
        if now is None or not is_configuration_folder(now):
            changed += [] if is_deletion else list(step.runs)
            continue
        here = {path.stem for path in LogFolder.of(now).logs_except(())}.union(changer.stored_run_ids(now))
        wanted = [one for one in step.runs if run is None or one == run]
        if is_deletion:  # one may have come back by another way, such as a merge
            wanted = [one for one in wanted if one not in there]
        runs = {one: step.runs[one] for one in wanted if one in here}
        if is_deletion and run is None and not here <= step.runs.keys():  # one began while it was deleted
            late = (one for one in default_folder_access().read_runs(now) if one.run.run_id not in step.runs)
            runs |= planned_run_moves(one for one in late if one.run.run_id not in there)
        changed += [] if is_deletion else [one for one in wanted if one not in here]
        if not runs and (run is not None or step.runs):
            continue
        restored += runs
        source = now.relative_to(root).as_posix()
        back = Step(step.kind, step.source, step.target, step.before, step.after, runs).reversed(source, "")
        before = changer.find(root, step.before)
        is_whole = here <= set(runs) and step.kind != MOVE and before in {None, now}
        is_same = step.kind == ADOPT and step.before.fingerprint == step.after.fingerprint
        if back.has_backends:
            in_others = {one: pair for one, pair in back.runs_to_change().items() if runs[one].backends}
            back = back.with_backends(others.plan_restored(now, in_others, were_deleted=is_deletion))
        if is_whole and not (root / step.source).exists():
            yield replace(back, target=step.source)
        elif step.kind == ADOPT and (is_whole or is_same):
            yield replace(back, target=source)
        else:
            yield replace(back, kind=MOVE)

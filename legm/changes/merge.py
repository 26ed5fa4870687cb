"""Merges a root directory into another one: each run once, equal configurations united."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from legm.changes.amend import finish_pending_changes
from legm.changes.backend_deliveries import deliver_changes
from legm.changes.execution import execute_steps
from legm.changes.journal import Journal, locked_root, pending_journals
from legm.changes.other_backends import OtherBackends, PlannedInBackends
from legm.changes.steps import FOLDER, MOVE, Step, StepRun
from legm.delivery.absent_values_file import AbsentValuesFile
from legm.delivery.folder_access import default_folder_access
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import LegmError, ParameterError, StorageError, storage_error
from legm.hooks import FolderChanger
from legm.records import Configuration, Plain, Run, Status
from legm.runlog.configuration_folders import configuration_folders, experiment_paths, refuse_folder_links
from legm.runlog.file_names import (
    AGGREGATES_FILE,
    ARTIFACTS,
    LOCK_FILE,
    MERGED,
    OPEN,
    OWN_FOLDER,
    PLOTS,
    RUNS,
    TENSORBOARD,
    log_file_name,
)
from legm.runlog.log_folder import LogFolder
from legm.util.atomic_files import delete_folder
from legm.util.given_paths import resolved_path

__all__ = ["Merged", "merge_roots"]


@dataclass(slots=True)
class Merged:
    """What was merged.

    Args:
        runs: the ids of the runs that were copied.
        known: how many runs were there before.
        running: the ids of the runs that are left out because they are running.
        notes: what a user should know, in a sentence each.
    """

    runs: list[str] = field(default_factory=list)
    known: int = 0
    running: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge_roots(root: Path, other: Path) -> Merged:
    """Copy into a root directory what another one has; the other one stays as it is.

    Args:
        root: the root directory that receives the runs.
        other: the root directory that has them.

    Raises:
        ParameterError: the two are the same, one is inside the other, or an experiment of both has two absent
            values of one parameter.
        NewerFile: something that a newer legm wrote would be changed.
        LegmError: something is damaged, or cannot be read or written; the call may be repeated.
    """
    root, other = resolved_path(root), resolved_path(other)
    if root == other or root in other.parents or other in root.parents:
        raise ParameterError(f"{other} and {root} are not two separate root directories")
    if not other.is_dir():
        raise StorageError(f"there is no folder {other}")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise storage_error("create the folder", root, cause) from cause
    with locked_root(root):
        merged, done = Merged(), finish_pending_changes(root)
        planned = PlannedInBackends()
        copies = root / OWN_FOLDER / MERGED
        refuse_folder_links(copies)
        if not pending_journals(root):
            delete_folder(copies)  # of a merge that was killed while it copied
        name = Journal.new_id()
        others = OtherBackends(root, planned)
        steps = _merging_steps(root, other, f"{OWN_FOLDER}/{MERGED}/{name}", merged, others)
        more = {"keep": False, "copies": True, "absent_values": _absent_values_to_merge(root, other)}
        try:
            with Journal.drafted(root, name, f"merge {other.name}", steps, **more) as draft:
                journal = draft.begin() if merged.runs else None
        except LegmError:
            if not pending_journals(root):
                delete_folder(copies)
            raise
        if journal is None:
            delete_folder(copies)
        else:
            done += execute_steps(root, journal)
    merged.notes += [*done, *planned.sentences(), *deliver_changes(root)]
    return merged


def _absent_values_to_merge(root: Path, other: Path) -> dict[str, Plain]:
    """What the experiments of another root directory keep, by the path of the experiment here.

    Raises:
        ParameterError: an experiment here keeps another absent value of a parameter.
    """
    changer, folders, found = find_folder_changer(DEFAULT_BACKEND), default_folder_access(), {}
    for path in experiment_paths(other):
        values = AbsentValuesFile(other / path / OWN_FOLDER).read()
        name = folders.experiment_in(other / path) if values else None
        if name is not None:
            experiment = changer.experiment_path(root, name)
            AbsentValuesFile(experiment / OWN_FOLDER).require_no_other(values, str(other / path))
            found[experiment.relative_to(root).as_posix()] = values
    return found


def _merging_steps(
    root: Path, other: Path, copies: str, merged: Merged, others: OtherBackends
) -> Iterator[Step]:
    folders, changer = default_folder_access(), find_folder_changer(DEFAULT_BACKEND)
    known = _run_ids_to_merge(root, changer)
    for folder in configuration_folders(other):
        configuration, results = folders.read_configuration(folder), list(folders.read_runs(folder))
        runs: dict[str, StepRun] = {}
        there: list[Run] = []
        for one in results:
            if one.status is Status.RUNNING:
                merged.running.append(one.run.run_id)
            elif one.run.run_id in known:
                there.append(one.run)
            else:
                own = one.run.parameters
                runs[one.run.run_id] = StepRun(one.run.description, one.run.started, own, own)
        merged.known += len(there)
        if not runs:
            continue
        known |= runs.keys()
        merged.runs += runs
        path = folder.relative_to(other).as_posix()
        _copy_folder_to_merge(folder, root / copies / path, [*merged.running, *(run.run_id for run in there)])
        if there:  # the entries of what is there already
            rest = root / f"{copies}-known" / path
            changer.make_copy(rest, configuration)
            changer.move_runs(root / copies / path, rest, there, {})
        is_whole = len(runs) == len(results)
        step = _merging_step(root, configuration, runs, f"{copies}/{path}", is_whole, changer)
        yield step.with_backends(others.plan_copied(folder, step.runs_to_change()))


def _merging_step(
    root: Path,
    configuration: Configuration,
    runs: dict[str, StepRun],
    source: str,
    is_whole: bool,
    changer: FolderChanger,
) -> Step:
    """The folder moves as it is where the root directory has none of the configuration yet."""
    target = changer.experiment_path(root, configuration.experiment) / source.rpartition("/")[2]
    there_already = changer.find(root, configuration)
    if there_already is not None:  # damage, and what a newer legm wrote, is an error before anything is done
        default_folder_access().read_configuration(there_already)
    is_new = is_whole and not target.exists() and there_already is None
    there = target.relative_to(root).as_posix() if is_new else ""
    return Step(FOLDER if is_new else MOVE, source, there, configuration, configuration, runs)


def _run_ids_to_merge(root: Path, changer: FolderChanger) -> set[str]:
    """The ids of all runs below a root directory."""
    found: set[str] = set()
    for folder in configuration_folders(root):
        found |= {path.stem for path in LogFolder.of(folder).logs_except(())}
        found.update(changer.stored_run_ids(folder))
    return found


def _copy_folder_to_merge(folder: Path, copy: Path, without: list[str]) -> None:
    """Copy a configuration's folder without the logs and files of some runs, and without its plots."""
    logs = tuple(map(log_file_name, without))

    def left_out(parent: str, names: list[str]) -> set[str]:
        found = {name for name in names if Path(parent, name).is_symlink()}
        if Path(parent) == folder:
            found |= {
                name for name in names if name in {AGGREGATES_FILE, PLOTS} or name.endswith(f"-{PLOTS}")
            }
        elif Path(parent) == folder / RUNS:
            found |= {name for name in names if name == LOCK_FILE or name.endswith(".new")}
        if Path(parent) in {folder / RUNS, folder / RUNS / OPEN, folder / ARTIFACTS, folder / TENSORBOARD}:
            found |= {name for name in names if name.endswith((".claim", *without, *logs))}
        return found

    try:
        shutil.copytree(folder, copy, ignore=left_out)
    except (OSError, shutil.Error) as cause:
        raise StorageError(f"cannot copy {folder} to {copy}: {cause}") from cause

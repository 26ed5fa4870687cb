"""Renames experiments, and renames or moves the folders of configurations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from legm.changes.amend import Amended, amend_experiment, finish_pending_changes
from legm.changes.backend_deliveries import deliver_changes
from legm.changes.execution import execute_steps
from legm.changes.journal import Journal, locked_root
from legm.changes.plan import AmendmentPlan, planned_run_moves
from legm.changes.steps import ADOPT, Step
from legm.core.amendment_changes import AmendmentChanges
from legm.core.selection import BoundSelection
from legm.delivery.folder_access import default_folder_access
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import InvalidName, StorageError
from legm.records import is_record_file_name
from legm.runlog.configuration_folders import experiment_folder_of_configuration

__all__ = ["move_configuration", "rename_configuration", "rename_experiment"]


def rename_experiment(
    experiment: Path, name: str, *, confirm: Callable[[AmendmentPlan], bool], dry_run: bool = False
) -> Amended:
    """Give an experiment another name; where there is one of that name, the two are united.

    Args:
        experiment: its folder.
        name: its new name.
        confirm: is given the plan and decides whether to go ahead.
        dry_run: whether only the plan is wanted.

    Raises:
        LegmError: as :func:`legm.changes.amend.amend_experiment`.
    """
    root = experiment.parent
    target = find_folder_changer(DEFAULT_BACKEND).experiment_path(root, name)
    return amend_experiment(
        experiment,
        AmendmentChanges(experiment=name),
        title=f"mv {experiment.name} {name}",
        confirm=confirm,
        dry_run=dry_run,
        emptied={experiment.name: target.relative_to(root).as_posix()},
    )


def move_configuration(
    folder: Path, experiment: str, *, confirm: Callable[[AmendmentPlan], bool], dry_run: bool = False
) -> Amended:
    """Move a configuration to another experiment.

    Args:
        folder: the configuration's.
        experiment: the experiment's name.
        confirm: is given the plan and decides whether to go ahead.
        dry_run: whether only the plan is wanted.

    Raises:
        LegmError: as :func:`legm.changes.amend.amend_experiment`.
    """
    configuration = default_folder_access().read_configuration(folder)
    own = experiment_folder_of_configuration(folder)
    return amend_experiment(
        own,
        AmendmentChanges(experiment=experiment),
        title=f"mv {own.name}/{folder.relative_to(own).as_posix()} to {experiment}",
        selection=BoundSelection(
            folder.name, lambda one: one.configuration.fingerprint == configuration.fingerprint
        ),
        confirm=confirm,
        dry_run=dry_run,
    )


def rename_configuration(folder: Path, name: str, *, dry_run: bool = False) -> tuple[Path, list[str]]:
    """Rename the folder of a configuration; it stays the same configuration.

    Args:
        folder: the configuration's.
        name: the folder's new name.
        dry_run: whether it is only wanted where it would be.

    Returns:
        where it is now, and what a user should know, in a sentence each.

    Raises:
        InvalidName: the name is not a safe file name.
        StorageError: there is something of that name already.
        StateError: a run of it is running.
    """
    if not is_record_file_name(name):
        raise InvalidName(f"{name!r} is not a safe name of a folder")
    now, root = folder.with_name(name), experiment_folder_of_configuration(folder).parent

    def step() -> Step:
        if now.exists():
            raise StorageError(f"{now} exists already")
        folders = default_folder_access()
        configuration, runs = folders.read_configuration(folder), planned_run_moves(folders.read_runs(folder))
        source, target = (path.relative_to(root).as_posix() for path in (folder, now))
        return Step(ADOPT, source, target, configuration, configuration, runs)

    if dry_run:
        step()
        return now, []
    with locked_root(root):
        done, planned = finish_pending_changes(root), step()
        with Journal.drafted(root, Journal.new_id(), f"mv {planned.source} {name}", [planned]) as draft:
            journal = draft.begin()
        done += execute_steps(root, journal)
    return now, [*done, *deliver_changes(root)]

"""Amends an experiment: changes the configurations that are there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from legm.changes.absent_values_change import AbsentValuesChange, decided_absent_values
from legm.changes.backend_deliveries import deliver_changes, pending_in_backends
from legm.changes.comparison_change import ComparisonChange
from legm.changes.execution import execute_steps
from legm.changes.journal import Journal, locked_root, pending_journals
from legm.changes.plan import AmendmentPlan, plan_amendment
from legm.changes.steps import Step
from legm.core.amendment_changes import AmendmentChanges
from legm.core.parameters import reserved_name_error
from legm.core.selection import BoundSelection, RunSelection
from legm.delivery.absent_values_file import AbsentValuesFile
from legm.delivery.folder_access import default_folder_access
from legm.delivery.registry import DEFAULT_BACKEND, find_folder_changer
from legm.errors import ParameterError, StorageError
from legm.records import Configuration, Plain
from legm.runlog.file_names import OWN_FOLDER
from legm.util.given_paths import absolute_given_path

__all__ = ["Amended", "amend", "amend_experiment", "continue_changes", "finish_pending_changes"]


@dataclass(frozen=True, slots=True)
class Amended:
    """What an amendment did, or would do.

    Args:
        plan: what becomes of each configuration.
        trash: the id under which the trash has what was there before; "" where nothing was changed.
        notes: what a user should know, in a sentence each.
    """

    plan: AmendmentPlan
    trash: str = ""
    notes: tuple[str, ...] = ()


def continue_changes(root: Path) -> list[str]:
    """Finish what commands that were interrupted had begun to change in a root directory.

    Returns:
        what they did, in a sentence each.

    Raises:
        LegmError: something cannot be read or written; it may be tried again.
    """
    if not pending_journals(root) and not pending_in_backends(root):
        return []
    with locked_root(root):
        done = finish_pending_changes(root)
    return [*done, *deliver_changes(root)]


def finish_pending_changes(root: Path) -> list[str]:
    """Finish the journals that there are; the root directory is locked.

    Returns:
        what was done, in a sentence each. What backends have to do is left to
        :func:`~legm.changes.backend_deliveries.deliver_changes`.

    Raises:
        LegmError: something cannot be read or written; it may be tried again.
    """
    notes = []
    for journal in pending_journals(root):
        title = journal.header()["title"]
        notes += [f"finished: {title}", *execute_steps(root, journal)]
    return notes


def amend(
    experiment: str | os.PathLike[str],
    *,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - as on the command line
    correct: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    drop: Sequence[str] | str = (),
    ignore: Sequence[str] | str = (),
    compare: Sequence[str] | str = (),
    parent: Mapping[str, str | Mapping[str, Any]] | None = None,
    no_parent: Mapping[str, Sequence[str] | str] | Sequence[str] | str = (),
    name: Mapping[str, float] | Sequence[str] | str = (),
    no_name: Sequence[str] | str = (),
    absent: Mapping[str, Any] | Sequence[str] | str = (),
    no_absent: Sequence[str] | str = (),
    describe: str | None = None,
    to: str | None = None,
    where: Iterable[str] | str | None = None,
    dry_run: bool = False,
) -> Amended:
    """Change the configurations that an experiment has already, as ``legm amend`` does.

    Configurations that become equal are united, and those that become different are parted. Every run keeps
    its id, its numbers and its files; runs that are running are left as they are. What was there before stays
    in the trash of the root directory.

    Args:
        experiment: the folder of the experiment.
        set: values by parameter, for the configurations that do not have it.
        correct: values by parameter, for the configurations and runs that have another one.
        rename: by old name of a parameter, the new one.
        drop: the parameters that are removed; one, or several.
        ignore: the parameters that are not compared any more; each run keeps its value.
        compare: the parameters that are compared again, by the value that each run has.
        parent: by child, its parent, or by parent the value that makes the child active.
        no_parent: the parameters that do not depend on others any more; or by child, the parents that it does
            not depend on any more.
        name: the parameters that enter the configurations' names; or by parameter its priority there.
        no_name: the parameters that leave the configurations' names.
        absent: by parameter, the value that runs from before it existed had, also where another one was given
            before; or the parameters for which the values that an import proposed are accepted.
        no_absent: the parameters that have no absent value any more, or whose proposed one is refused.
        describe: the description that the runs get; "" takes it away, None leaves each its own.
        to: the experiment that the configurations are moved to.
        where: which configurations and runs are changed, as ``--where`` has it, such as ``"lr<0.1"``; one
            text or several, of which all must hold; None for all.
        dry_run: whether only the plan is wanted.

    Returns:
        what becomes of each configuration, and the id in the trash.

    Raises:
        ParameterError: a parameter is unknown, or the configurations cannot be changed so.
        InvalidName: the description is not text, or is too long.
        NotSupported: a run is stored where it cannot be changed.
        LegmError: something is damaged, or cannot be read or written.
    """
    folder = Path(absolute_given_path(experiment, "an experiment's folder"))
    given, accepted = (absent, ()) if isinstance(absent, Mapping) else ({}, _names("absent", absent))
    changes = AmendmentChanges(
        rename=_mapping("rename", rename),
        set=_mapping("set", set),
        correct=_mapping("correct", correct),
        drop=_names("drop", drop),
        parent={child: _parents(one) for child, one in _mapping("parent", parent).items()},
        ignore=_names("ignore", ignore),
        compare=_names("compare", compare),
        no_parent=_parents_to_take_away(no_parent),
        name=_names("name", name),
        name_priority=name if isinstance(name, Mapping) else {},
        no_name=_names("no_name", no_name),
        describe=describe,
        experiment=to,
        new_absent=decided_absent_values(folder, given, accepted),
        no_absent=_names("no_absent", no_absent),
    )
    selection = RunSelection.parse(where)
    title = f"amend {folder.name}: {changes.summary()}"
    return amend_experiment(folder, changes, title=title, selection=selection, dry_run=dry_run)


def amend_experiment(
    experiment: Path,
    changes: AmendmentChanges,
    *,
    title: str,
    selection: RunSelection | BoundSelection | None = None,
    confirm: Callable[[AmendmentPlan], bool] = lambda _: True,
    dry_run: bool = False,
    emptied: Mapping[str, str] | None = None,
) -> Amended:
    """Change configurations of an experiment.

    Args:
        experiment: the folder of the experiment.
        changes: what is changed.
        title: what this is, for the trash.
        selection: the runs that are changed; None for all.
        confirm: is given the plan and decides whether to go ahead.
        dry_run: whether only the plan is wanted.
        emptied: by the path of an experiment's folder below the root directory, where what is left in it is
            moved when it has no configuration any more.

    Raises:
        ParameterError: a parameter is unknown, or the configurations cannot be changed so.
        NotSupported: a run is stored where it cannot be changed.
        LegmError: something is damaged, or cannot be read or written.
    """
    if not experiment.is_dir():
        raise StorageError(f"there is no folder {experiment}")
    _require_amendable_names(changes)
    folders, changer = default_folder_access(), find_folder_changer(DEFAULT_BACKEND)
    root, plan = experiment.parent, AmendmentPlan()
    absent = AbsentValuesFile(experiment / OWN_FOLDER).read()
    changes = replace(changes, absent=absent)

    def configurations() -> Iterator[Configuration]:
        return (one for _, one in folders.read_configurations(experiment))

    only = selection if isinstance(selection, BoundSelection) else None
    if isinstance(selection, RunSelection) and selection:
        only = selection.bound(configurations())
    decided = AbsentValuesChange.of(experiment, changes)
    if changes.decided_absent and selection:
        raise ParameterError("an absent value is that of a whole experiment: change it without a selection")

    def steps() -> Iterator[Step]:
        return plan_amendment(root, experiment, changes, only, folders, changer, plan)

    name = changes.experiment
    target = experiment if name is None else changer.experiment_path(root, name)
    kept = {changes.current_name(name): value for name, value in absent.items()}
    if target != experiment:
        AbsentValuesFile(target / OWN_FOLDER).require_no_other(kept, str(experiment))
    more: dict[str, Plain] = {"emptied": dict(emptied or {})}
    if changes.decided_absent:
        more["corrected_absent_values"] = {experiment.relative_to(root).as_posix(): decided.content()}
    elif kept and (target != experiment or kept != absent):
        more["absent_values"] = {target.relative_to(root).as_posix(): kept}
    comparison = None if selection else ComparisonChange.of(experiment, changes)
    if comparison is not None and comparison.after and target == experiment:
        more["compared_by_imports"] = {experiment.relative_to(root).as_posix(): comparison.content()}
    if dry_run:
        for _ in steps():
            pass
        return Amended(plan)
    with locked_root(root):
        done = finish_pending_changes(root)
        name = Journal.new_id()
        with Journal.drafted(root, name, title, steps(), **more) as draft:
            if not plan.changes and changes.decided_absent:
                decided.apply(experiment)
            elif not plan.changes:
                AbsentValuesFile(target / OWN_FOLDER).merge(kept, title)
            journal = draft.begin() if plan.changes and confirm(plan) else None
        if journal is not None:
            done += execute_steps(root, journal)
    notes = [*done, *deliver_changes(root)]
    return Amended(plan, name if journal is not None else "", tuple(notes))


def _names(what: str, given: object) -> tuple[str, ...]:
    """The names of parameters that a call was given: one text is one name.

    Raises:
        ParameterError: they are something else.
    """
    several = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    names = tuple(one for one in several if isinstance(one, str))
    if len(names) < len(several):
        raise ParameterError(f"{what} must be a name or several, not {given!r}")
    return names


def _mapping(what: str, given: object) -> dict[Any, Any]:
    """What a call was given by parameter.

    Raises:
        ParameterError: it is something else.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ParameterError(f"{what} must be a mapping by the names of parameters, not {given!r}")
    return dict(given or {})


def _parents(given: object) -> dict[str, Any]:
    """The parents of a parameter, each with the value that makes it active.

    Raises:
        ParameterError: they are something else.
    """
    if not isinstance(given, str | Mapping):
        raise ParameterError(f"parent must be a name or a mapping by the names of parents, not {given!r}")
    return {given: None} if isinstance(given, str) else dict(given)


def _parents_to_take_away(given: object) -> dict[str, tuple[str, ...]]:
    """By child, the parents that it does not depend on any more; none for all.

    Raises:
        ParameterError: they are something else.
    """
    if isinstance(given, Mapping):
        return {child: _names("no_parent", parents) for child, parents in given.items()}
    return dict.fromkeys(_names("no_parent", given), ())


def _require_amendable_names(changes: AmendmentChanges) -> None:
    """Refuse new names of parameters that no handler could set.

    Raises:
        ParameterError: one is that of a method or attribute of the handler.
    """
    new = [name for old, name in changes.rename.items() if name != old]
    if new or changes.set:
        from legm.handler import ExperimentHandler

        for name in (*new, *changes.set):
            if hasattr(ExperimentHandler, name):
                raise reserved_name_error(name)

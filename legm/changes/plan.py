"""Plans an amendment: which run moves from which configuration to which, before anything is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from legm.changes.amended_runs import AmendedGroup, AmendedRuns, ConfigurationAmender
from legm.changes.other_backends import OtherBackends, PlannedInBackends
from legm.changes.planned_changes import PlannedChange, PlannedChanges, PlannedChangesDatabase
from legm.changes.shared_work import map_in_order
from legm.changes.steps import ADOPT, MOVE, Step, StepRun
from legm.core.amendment_changes import AmendmentChanges, ChangesCheck
from legm.core.naming import numbered_name
from legm.core.selection import BoundSelection, SelectionCandidate
from legm.delivery.folder_access import FolderAccess
from legm.errors import LegmError, ParameterError, StateError
from legm.hooks import FolderChanger
from legm.records import Configuration, Run, RunResult, Status
from legm.runlog.configuration_folders import packed_configuration_paths
from legm.util.forked_calls import number_of_forked_processes

__all__ = ["AmendmentPlan", "PlannedChange", "plan_amendment", "planned_run_moves"]

UNITED, PARTED, CHANGED = "united", "parted", "changed"
_WORTH_PROCESSES = 200  # configurations


class AmendmentPlan:
    """What an amendment changes.

    Its memory does not grow with the configurations: what becomes of each is in a temporary file.
    """

    def __init__(self) -> None:
        self.untouched = 0
        """How many configurations do not change."""
        self.runs = 0
        """How many runs change."""
        self.running: list[str] = []
        """The ids of the runs that are left as they are because they are running."""
        self.in_backends = PlannedInBackends()
        """What becomes of the runs in the backends beside the folders."""
        self.database = PlannedChangesDatabase()
        """What is known of the configurations, by fingerprint."""
        self.changes: Sequence[PlannedChange] = PlannedChanges(self.database)
        """The configurations that change, read one at a time."""

    def add(self, change: PlannedChange) -> None:
        """Add what becomes of a configuration."""
        self.database.add_change(change)
        self.runs += sum(change.becomes.values())

    def kind(self, change: PlannedChange) -> str:
        """Whether a configuration is united with another one, parted, or only changed."""
        if change.is_parted:
            return PARTED
        is_united = any(self.database.number_of_contributors(digest) > 1 for digest in change.becomes)
        return UNITED if is_united else CHANGED

    def label(self, change: PlannedChange, digest: str) -> str:
        """The name of what a configuration becomes: that of the folder where it is known."""
        return self.database.label(digest) or change.names[digest]

    def counts(self) -> dict[str, int]:
        """How many configurations are united, parted, changed and untouched."""
        kinds = Counter(map(self.kind, self.changes))
        return {**{kind: kinds[kind] for kind in (UNITED, PARTED, CHANGED)}, "untouched": self.untouched}


def plan_amendment(
    root: Path,
    experiment: Path,
    changes: AmendmentChanges,
    only: BoundSelection | None,
    folders: FolderAccess,
    changer: FolderChanger,
    plan: AmendmentPlan,
) -> Iterator[Step]:
    """The steps of an amendment, one at a time.

    Args:
        root: the root directory.
        experiment: the folder of the experiment.
        changes: what is changed.
        only: the runs that are changed; None for all.
        folders: reads them.
        changer: changes them.
        plan: takes what becomes of each configuration.

    Raises:
        ParameterError: a parameter is unknown, no configuration is selected, or one cannot be changed so.
        NotSupported: a run is stored in a backend that cannot change it.
        LegmError: a folder is damaged, or cannot be read.
    """
    planner = _Planner(root, experiment, changes, folders, changer, plan)
    amender = ConfigurationAmender(experiment, changes, only, folders)
    paths = packed_configuration_paths(experiment)
    processes = number_of_forked_processes() if len(paths) >= _WORTH_PROCESSES else 1
    check, is_any_selected = ChangesCheck(changes), False
    amended = map_in_order(paths, amender.amended, processes, AmendedRuns.content, AmendedRuns.of_content)
    try:
        for one in amended:
            if one.is_selected:
                check.add(one.before)
            is_any_selected |= one.has_selected
            yield from planner.steps(one)
    except LegmError:  # what is wrong with the changes themselves is said first
        check = ChangesCheck(changes)
        for _, configuration in folders.read_configurations(experiment):
            if only is None or only.decides(SelectionCandidate(configuration)) is not False:
                check.add(configuration)
        check.require_possible()
        raise
    check.require_possible()
    if not check.number:
        raise ParameterError(f"{experiment} has no configuration that is to be changed")
    if not is_any_selected and only is not None:
        raise ParameterError(f"{experiment} has no run with {only.text}")


class _Planner:
    def __init__(
        self,
        root: Path,
        experiment: Path,
        changes: AmendmentChanges,
        folders: FolderAccess,
        changer: FolderChanger,
        plan: AmendmentPlan,
    ) -> None:
        self._root = root
        self._experiment = experiment
        self._folders = folders
        self._changer = changer
        self._plan = plan
        self._others = OtherBackends(root, plan.in_backends)
        self._target = experiment
        if changes.experiment is not None:
            self._target = changer.experiment_path(root, changes.experiment)
        self._known = plan.database
        for path in packed_configuration_paths(self._target):
            self._known.add_folder(changer.stated(self._target / path) or "", path)

    def steps(self, amended: AmendedRuns) -> Iterator[Step]:
        """What becomes of the selected runs of one configuration."""
        self._plan.running += amended.running
        folder = self._experiment / amended.path
        if amended.groups:
            yield from self._steps_of_groups(folder, amended, self._groups(amended))
            return
        self._plan.untouched += 1
        if folder.is_relative_to(self._target):
            self._known.add_contributor(amended.before.fingerprint)

    def _groups(self, amended: AmendedRuns) -> dict[str, AmendedGroup]:
        """By fingerprint, the runs with the backends beside the folders in which they change too."""
        groups = {one.after.fingerprint: one for one in amended.groups}
        if not amended.targets:
            return groups
        changed = {
            run_id: (
                Run(run_id, amended.before, run.description, run.started, run.before),
                Run(run_id, one.after, run.current_description, run.started, run.after),
            )
            for one in amended.groups
            for run_id, run in one.runs.items()
        }
        found = self._others.plan(changed, amended.targets)
        return {
            digest: replace(
                one,
                runs={
                    run_id: replace(run, backends=found.get(run_id, ())) for run_id, run in one.runs.items()
                },
            )
            for digest, one in groups.items()
        }

    def _steps_of_groups(
        self,
        folder: Path,
        amended: AmendedRuns,
        groups: Mapping[str, AmendedGroup],
    ) -> Iterator[Step]:
        before, staying = amended.before, amended.staying
        source = folder.relative_to(self._root).as_posix()
        adopted = self._adopted(before, groups, staying)
        becomes, names, differences = {}, {}, {}
        # The folder is adopted last: then no run is in it that is of another configuration.
        for digest, one in sorted(groups.items(), key=lambda item: item[0] == adopted):
            after, runs = one.after, one.runs
            becomes[digest] = len(runs)
            differences[digest] = one.difference
            self._known.add_contributor(digest)
            if digest == adopted:
                now = self._adopted_path(folder, before, after)
                names[digest] = now.name
                self._known.set_label(digest, now.name)
                yield Step(ADOPT, source, now.relative_to(self._root).as_posix(), before, after, runs)
            else:
                label = self._known.label(digest)
                there = self._known.folder(digest)
                if there is not None and not folder.is_relative_to(self._target):  # of which none is read
                    self._folders.read_configuration(self._target / there)
                    if (
                        self._known.number_of_contributors(digest) == 1
                    ):  # the one in the other experiment is too
                        self._known.add_contributor(digest)
                names[digest] = there or label or self._free_name(after)
                if label is None:
                    self._known.set_label(digest, names[digest])
                self._known.count_folders(digest, 1)
                yield Step(MOVE, source, "", before, after, runs)
        if staying and before.fingerprint not in becomes:
            self._known.add_contributor(before.fingerprint)
        is_parted = len({*becomes, before.fingerprint} if staying else becomes) > 1
        self._plan.add(PlannedChange(folder.name, becomes, names, differences, staying, is_parted))

    def _adopted(
        self,
        before: Configuration,
        groups: Mapping[str, AmendedGroup],
        staying: int,
    ) -> str | None:
        """Which of the configurations the folder becomes: one that has no folder yet; None for none."""
        if before.fingerprint in groups:
            return before.fingerprint
        if staying:
            return None
        free = [digest for digest in groups if not self._known.number_of_folders(digest)]
        if not free:
            return None
        chosen = max(free, key=lambda digest: len(groups[digest].runs))
        self._known.count_folders(chosen, 1)
        self._known.count_folders(before.fingerprint, -1)
        return chosen

    def _adopted_path(self, folder: Path, before: Configuration, after: Configuration) -> Path:
        """Where a folder is once it is of another configuration: its name follows, unless a user gave it."""
        number = folder.name.removeprefix(f"{before.name}_")
        is_own = number != folder.name and number.isdecimal()
        is_here = before.experiment == after.experiment
        if is_here and (not is_own or before.name == after.name):
            return folder
        if not is_own and not self._known.has_name(folder.name):
            self._known.add_name(folder.name)
            return self._target / folder.name
        return (folder.parent if is_here else self._target) / self._free_name(after)

    def _free_name(self, configuration: Configuration) -> str:
        """The name of a new folder for a configuration."""
        k = self._known.next_number(configuration.name)
        while self._known.has_name(numbered_name(configuration.name, k)):
            k += 1
        self._known.set_next_number(configuration.name, k + 1)
        self._known.add_name(numbered_name(configuration.name, k))
        return numbered_name(configuration.name, k)


def planned_run_moves(results: Iterable[RunResult]) -> dict[str, StepRun]:
    """The runs of a step that moves them as they are, by id.

    Raises:
        StateError: one of them is running.
    """
    runs = {}
    for one in results:
        if one.status is Status.RUNNING:
            raise StateError(f"the run {one.run.run_id} is running: end its process first")
        own = one.run.parameters
        runs[one.run.run_id] = StepRun(one.run.description, one.run.started, own, own)
    return runs

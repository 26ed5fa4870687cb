"""Plans an amendment: which run moves from which configuration to which, before anything is changed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from legm.changes.other_backends import OtherBackends, PlannedInBackends
from legm.changes.planned_changes import PlanDatabase, PlannedChange, PlannedChanges
from legm.changes.steps import ADOPT, MOVE, Step, StepRun
from legm.core.absent_values import has_absent_value
from legm.core.amending import AmendedConfiguration, AmendmentChanges
from legm.core.identity import configuration_differences
from legm.core.naming import numbered_name
from legm.core.selection import BoundSelection, SelectionCandidate
from legm.delivery.folder_access import FolderAccess
from legm.errors import CorruptFile, StateError
from legm.hooks import FolderChanger
from legm.records import Configuration, Plain, Run, RunResult, Status
from legm.runlog.configuration_folders import configuration_paths
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head

__all__ = ["AmendmentPlan", "PlannedChange", "moved_runs", "plan_amendment"]

UNITED, PARTED, CHANGED = "united", "parted", "changed"


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
        self.database = PlanDatabase()
        """What is known of the configurations, by fingerprint."""
        self.changes: Sequence[PlannedChange] = PlannedChanges(self.database)
        """The configurations that change, read one at a time."""

    def add(self, change: PlannedChange) -> None:
        """Add what becomes of a configuration."""
        self.database.add_change(change)
        self.runs += sum(change.becomes.values())

    def kind(self, change: PlannedChange) -> str:
        """Whether a configuration is united with another one, parted, or only changed."""
        if len(change.becomes) + bool(change.staying) > 1:
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
        ParameterError: a configuration cannot be changed so.
        NotSupported: a run is stored in a backend that cannot change it.
        LegmError: a folder is damaged, or cannot be read.
    """
    planner = _Planner(root, experiment, changes, folders, changer, plan)
    for path, configuration in folders.read_configurations(experiment):
        if only is None or only.decides(SelectionCandidate(configuration)) is not False:
            yield from planner.steps(experiment / path, configuration, only)
        else:
            planner.leave(experiment / path, configuration)


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
        self._changes = changes
        self._folders = folders
        self._changer = changer
        self._plan = plan
        self._others = OtherBackends(root, plan.in_backends)
        self._target = experiment
        if changes.experiment is not None:
            self._target = changer.experiment_path(root, changes.experiment)
        self._known = plan.database
        for path in configuration_paths(self._target) if self._target.is_dir() else ():
            self._known.add_folder(changer.stated(self._target / path) or "", path)

    def leave(self, folder: Path, configuration: Configuration) -> None:
        """Note a configuration that is not selected."""
        self._plan.untouched += 1
        if folder.is_relative_to(self._target):
            self._known.add_contributor(configuration.fingerprint)

    def steps(
        self, folder: Path, configuration: Configuration, only: BoundSelection | None
    ) -> Iterator[Step]:
        """What becomes of the selected runs of one configuration."""
        results = list(self._folders.read_runs(folder, configuration=configuration))
        selected = [one for one in results if only is None or only.has_run(one)]
        change = AmendedConfiguration(configuration, self._changes)
        groups: dict[str, tuple[Configuration, dict[str, StepRun]]] = {}
        own = self._set_to_absent_values(folder, configuration)
        is_changed, running = False, 0
        for result in selected:
            run = result.run
            before = {**own(run.run_id), **run.parameters}
            amended = change.of_run(before)
            would_change = amended.configuration != configuration
            would_change |= amended.parameters not in (run.parameters, before)
            if result.status is Status.RUNNING:
                running += 1
                if would_change:
                    self._plan.running.append(run.run_id)
                continue
            is_changed |= would_change
            runs = groups.setdefault(amended.configuration.fingerprint, (amended.configuration, {}))[1]
            runs[run.run_id] = StepRun(run.description, run.started, run.parameters, amended.parameters)
        if not results:
            amended = change.of_run({})
            is_changed = amended.configuration != configuration
            groups[amended.configuration.fingerprint] = (amended.configuration, {})
        if not is_changed:
            return self.leave(folder, configuration)
        self._note_backends(folder, configuration, groups)
        staying = running + len(results) - len(selected)
        yield from self._steps_of_groups(folder, configuration, groups, staying)
        return None

    def _set_to_absent_values(
        self, folder: Path, configuration: Configuration
    ) -> Callable[[str], dict[str, Plain]]:
        """By run, what it set to its absent value: its log says it, or else the folder.

        Each run keeps it as its own from its first amendment on, since one may unite it with runs from before
        the parameter existed.
        """
        if not self._changes.decided_absent and not self._changes.absent:
            return lambda _: {}
        logs = {path.stem: path for path in LogFolder.of(folder).logs_except(())}

        def of_run(run_id: str) -> dict[str, Plain]:
            its = configuration
            if run_id in logs:
                with contextlib.suppress(CorruptFile):
                    its = read_log_head(logs[run_id]).run.configuration
            return {name: value for name, value in its.parameters.items() if has_absent_value(its, name)}

        return of_run

    def _note_backends(
        self,
        folder: Path,
        before: Configuration,
        groups: Mapping[str, tuple[Configuration, dict[str, StepRun]]],
    ) -> None:
        """Note with each run in which backends beside the folder it changes too."""
        changed = {
            run_id: (
                Run(run_id, before, run.description, run.started, run.before),
                Run(run_id, after, run.description, run.started, run.after),
            )
            for after, runs in groups.values()
            for run_id, run in runs.items()
            if after != before or run.before != run.after
        }
        found = self._others.plan(folder, changed)
        for _, runs in groups.values() if found else ():
            for run_id in runs.keys() & found.keys():
                runs[run_id] = replace(runs[run_id], backends=found[run_id])

    def _steps_of_groups(
        self,
        folder: Path,
        before: Configuration,
        groups: Mapping[str, tuple[Configuration, dict[str, StepRun]]],
        staying: int,
    ) -> Iterator[Step]:
        source = folder.relative_to(self._root).as_posix()
        adopted = self._adopted(before, groups, staying)
        becomes, names, differences = {}, {}, {}
        # The folder is adopted last: then no run is in it that is of another configuration.
        for digest, (after, runs) in sorted(groups.items(), key=lambda one: one[0] == adopted):
            becomes[digest] = len(runs)
            differences[digest] = "; ".join(map(str, configuration_differences(before, after)))
            self._known.add_contributor(digest)
            if digest == adopted:
                now = self._adopted_path(folder, before, after)
                names[digest] = now.name
                self._known.set_label(digest, now.name)
                yield Step(ADOPT, source, now.relative_to(self._root).as_posix(), before, after, runs)
            else:
                label = self._known.label(digest)
                names[digest] = self._known.folder(digest) or label or self._free_name(after)
                if label is None:
                    self._known.set_label(digest, names[digest])
                self._known.count_folders(digest, 1)
                yield Step(MOVE, source, "", before, after, runs)
        if staying:
            self._known.add_contributor(before.fingerprint)
        self._plan.add(PlannedChange(folder.name, becomes, names, differences, staying))

    def _adopted(
        self,
        before: Configuration,
        groups: Mapping[str, tuple[Configuration, Mapping[str, StepRun]]],
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
        chosen = max(free, key=lambda digest: len(groups[digest][1]))
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


def moved_runs(results: Iterable[RunResult]) -> dict[str, StepRun]:
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

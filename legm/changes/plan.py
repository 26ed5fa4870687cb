"""Plans an amendment: which run moves from which configuration to which, before anything is changed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from legm.changes.journal import ADOPT, MOVE, Step, StepRun
from legm.changes.other_backends import OtherBackends, PlannedInBackends
from legm.core.absent_values import has_absent_value
from legm.core.amending import Changes, ConfigurationChange
from legm.core.identity import configuration_differences
from legm.core.naming import numbered_name
from legm.core.selection import BoundSelection, Candidate
from legm.delivery.reading import FolderAccess
from legm.errors import CorruptFile, StateError
from legm.hooks import FolderChanger
from legm.records import Configuration, Plain, Run, RunResult, Status
from legm.runlog.configuration_folders import configuration_paths
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_reader import read_log_head

__all__ = ["AmendmentPlan", "PlannedChange", "moved_runs", "plan_amendment"]

UNITED, PARTED, CHANGED = "united", "parted", "changed"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What becomes of one configuration.

    Args:
        folder: its folder's name now.
        becomes: by the fingerprint of each configuration that its runs are of afterwards, how many.
        names: by fingerprint, the folder's name afterwards.
        differences: by fingerprint, in which parameters it differs from the old one.
        staying: how many runs stay what they are: those that are running, or not selected.
    """

    folder: str
    becomes: Mapping[str, int]
    names: Mapping[str, str]
    differences: Mapping[str, str]
    staying: int


@dataclass(slots=True)
class AmendmentPlan:
    """What an amendment changes.

    Args:
        changes: the configurations that change.
        untouched: how many do not.
        contributors: by the fingerprint of a configuration afterwards, how many there are of it now.
        running: the ids of the runs that are left as they are because they are running.
        labels: by fingerprint, the name of the folder that a configuration has afterwards.
        in_backends: what becomes of the runs in the backends beside the folders.
    """

    changes: list[PlannedChange] = field(default_factory=list)
    untouched: int = 0
    contributors: Counter[str] = field(default_factory=Counter)
    running: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    in_backends: PlannedInBackends = field(default_factory=PlannedInBackends)

    def kind(self, change: PlannedChange) -> str:
        """Whether a configuration is united with another one, parted, or only changed."""
        if len(change.becomes) + bool(change.staying) > 1:
            return PARTED
        return UNITED if any(self.contributors[digest] > 1 for digest in change.becomes) else CHANGED

    def label(self, change: PlannedChange, digest: str) -> str:
        """The name of what a configuration becomes: that of the folder where it is known."""
        return self.labels.get(digest) or change.names[digest]

    def counts(self) -> dict[str, int]:
        """How many configurations are united, parted, changed and untouched."""
        kinds = Counter(map(self.kind, self.changes))
        return {**{kind: kinds[kind] for kind in (UNITED, PARTED, CHANGED)}, "untouched": self.untouched}

    @property
    def runs(self) -> int:
        """How many runs change."""
        return sum(sum(one.becomes.values()) for one in self.changes)


def plan_amendment(
    root: Path,
    experiment: Path,
    changes: Changes,
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
        if only is None or only.decides(Candidate(configuration)) is not False:
            yield from planner.steps(experiment / path, configuration, only)
        else:
            planner.leave(experiment / path, configuration)


class _Planner:
    def __init__(
        self,
        root: Path,
        experiment: Path,
        changes: Changes,
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
        self._names: dict[str, str] = {}
        paths = list(configuration_paths(self._target)) if self._target.is_dir() else []
        self._taken = Counter[str]()
        for path in paths:
            stated = changer.stated(self._target / path) or ""
            self._names.setdefault(stated, path)
            self._taken[stated] += 1
        self._used = {*paths}
        self._next: dict[str, int] = {}

    def leave(self, folder: Path, configuration: Configuration) -> None:
        """Note a configuration that is not selected."""
        self._plan.untouched += 1
        if folder.is_relative_to(self._target):
            self._plan.contributors[configuration.fingerprint] += 1

    def steps(
        self, folder: Path, configuration: Configuration, only: BoundSelection | None
    ) -> Iterator[Step]:
        """What becomes of the selected runs of one configuration."""
        results = list(self._folders.read_runs(folder, configuration=configuration))
        selected = [one for one in results if only is None or only.has_run(one)]
        running = [one.run.run_id for one in selected if one.status is Status.RUNNING]
        change = ConfigurationChange(configuration, self._changes)
        groups: dict[str, tuple[Configuration, dict[str, StepRun]]] = {}
        own = self._set_to_absent_values(folder, configuration)
        for run in (one.run for one in selected if one.status is not Status.RUNNING):
            amended = change.of_run({**own(run.run_id), **run.parameters})
            runs = groups.setdefault(amended.configuration.fingerprint, (amended.configuration, {}))[1]
            runs[run.run_id] = StepRun(run.description, run.started, run.parameters, amended.parameters)
        if not results:
            amended = change.of_run({})
            groups[amended.configuration.fingerprint] = (amended.configuration, {})
        if self._is_unchanged(configuration, groups):
            return self.leave(folder, configuration)
        self._note_backends(folder, configuration, groups)
        self._plan.running += running
        staying = len(running) + len(results) - len(selected)
        yield from self._steps_of_groups(folder, configuration, groups, staying)
        return None

    def _set_to_absent_values(
        self, folder: Path, configuration: Configuration
    ) -> Callable[[str], dict[str, Plain]]:
        """By run, what it set to an absent value that changes: its log says it, or else the folder."""
        decided = self._changes.decided_absent
        if not decided:
            return lambda _: {}
        logs = {path.stem: path for path in LogFolder.of(folder).logs_except(())}

        def of_run(run_id: str) -> dict[str, Plain]:
            its = configuration
            if run_id in logs:
                with contextlib.suppress(CorruptFile):
                    its = read_log_head(logs[run_id]).run.configuration
            current = self._changes.current_name
            return {
                name: value
                for name, value in its.parameters.items()
                if current(name) in decided and has_absent_value(its, name)
            }

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

    @staticmethod
    def _is_unchanged(
        before: Configuration, groups: Mapping[str, tuple[Configuration, Mapping[str, StepRun]]]
    ) -> bool:
        return all(
            after == before and all(run.before == run.after for run in runs.values())
            for after, runs in groups.values()
        )

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
            self._plan.contributors[digest] += 1
            if digest == adopted:
                now = self._adopted_path(folder, before, after)
                names[digest] = now.name
                self._plan.labels[digest] = now.name
                yield Step(ADOPT, source, now.relative_to(self._root).as_posix(), before, after, runs)
            else:
                names[digest] = (
                    self._names.get(digest) or self._plan.labels.get(digest) or self._free_name(after)
                )
                self._plan.labels.setdefault(digest, names[digest])
                self._taken[digest] += 1
                yield Step(MOVE, source, "", before, after, runs)
        if staying:
            self._plan.contributors[before.fingerprint] += 1
        self._plan.changes.append(PlannedChange(folder.name, becomes, names, differences, staying))

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
        free = [digest for digest in groups if not self._taken[digest]]
        if not free:
            return None
        chosen = max(free, key=lambda digest: len(groups[digest][1]))
        self._taken[chosen] += 1
        self._taken[before.fingerprint] -= 1
        return chosen

    def _adopted_path(self, folder: Path, before: Configuration, after: Configuration) -> Path:
        """Where a folder is once it is of another configuration: its name follows, unless a user gave it."""
        number = folder.name.removeprefix(f"{before.name}_")
        is_own = number != folder.name and number.isdecimal()
        is_here = before.experiment == after.experiment
        if is_here and (not is_own or before.name == after.name):
            return folder
        if not is_own and folder.name not in self._used:
            self._used.add(folder.name)
            return self._target / folder.name
        return (folder.parent if is_here else self._target) / self._free_name(after)

    def _free_name(self, configuration: Configuration) -> str:
        """The name of a new folder for a configuration."""
        k = self._next.get(configuration.name, 0)
        while numbered_name(configuration.name, k) in self._used:
            k += 1
        self._next[configuration.name] = k + 1
        self._used.add(numbered_name(configuration.name, k))
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

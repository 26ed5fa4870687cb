"""What becomes of the runs of one configuration by an amendment, found by reading them alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from legm.changes.other_backends import StoredTarget, stored_targets
from legm.changes.steps import StepRun, decode_runs, runs_content
from legm.core.amending import AmendedConfiguration, AmendedRun
from legm.core.amendment_changes import AmendmentChanges
from legm.core.identity import configuration_differences
from legm.core.inactive_values import (
    inactive_parameters,
    own_inactive_values,
    with_inactive_parameters_of,
    with_own_inactive_values,
)
from legm.core.selection import BoundSelection, SelectionCandidate
from legm.core.texts import exact_text
from legm.delivery.folder_access import FolderAccess
from legm.records import Configuration, Plain, Run, RunResult, Status
from legm.runlog.log_folder import LogFolder
from legm.runlog.log_frames import configuration_frame_content, encoded_configuration
from legm.runlog.log_reader import LogConfigurationReader, decode_log_configuration

__all__ = ["AmendedGroup", "AmendedRuns", "ConfigurationAmender"]

_MOST_DESCRIPTIONS = 3  # in a sentence


@dataclass(frozen=True, slots=True)
class AmendedGroup:
    """Runs of one configuration that are of the same one afterwards.

    Args:
        after: the configuration.
        difference: in which parameters it differs from the one of before.
        runs: by id, the runs.
    """

    after: Configuration
    difference: str
    runs: Mapping[str, StepRun]


@dataclass(frozen=True, slots=True)
class AmendedRuns:
    """What becomes of the runs of one configuration.

    Args:
        path: its folder below the experiment's.
        before: the configuration.
        is_selected: whether runs of it may be selected.
        has_selected: whether some are, or it has none and is selected itself.
        groups: what its runs become; none where nothing changes.
        running: the ids of the runs that would change and are left as they are because they are running.
        staying: how many runs stay what they are: those that are running, or not selected.
        targets: of the runs that change, the backends beside the folder.
    """

    path: str
    before: Configuration
    is_selected: bool
    has_selected: bool = False
    groups: Sequence[AmendedGroup] = ()
    running: Sequence[str] = ()
    staying: int = 0
    targets: Sequence[StoredTarget] = field(default=())

    def content(self) -> dict[str, Plain]:
        """It as JSON holds it."""
        return {
            "path": self.path,
            "before": configuration_frame_content(self.before),
            "is_selected": self.is_selected,
            "has_selected": self.has_selected,
            "groups": [
                [configuration_frame_content(one.after), one.difference, runs_content(one.runs)]
                for one in self.groups
            ],
            "running": list(self.running),
            "staying": self.staying,
            "targets": [list(one) for one in self.targets],
        }

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> AmendedRuns:
        """The inverse of :meth:`content`."""
        groups = [
            AmendedGroup(decode_log_configuration(after), difference, decode_runs(runs))
            for after, difference, runs in content["groups"]
        ]
        more = {
            "before": decode_log_configuration(content["before"]),
            "groups": groups,
            "targets": [StoredTarget(*one) for one in content["targets"]],
        }
        return cls(**{**content, **more})


class ConfigurationAmender:
    """Finds what becomes of the runs of configurations.

    Args:
        experiment: the folder of the experiment.
        changes: what is changed.
        only: the runs that are changed; None for all.
        folders: reads them.
    """

    def __init__(
        self, experiment: Path, changes: AmendmentChanges, only: BoundSelection | None, folders: FolderAccess
    ) -> None:
        self._experiment = experiment
        self._changes = changes
        self._only = only
        self._folders = folders

    def amended(self, paths: Iterable[str]) -> Iterator[AmendedRuns]:
        """What becomes of the runs in folders.

        Args:
            paths: those of the folders below the experiment's.

        Raises:
            ParameterError: a configuration cannot be changed so.
            LegmError: a folder is damaged, or cannot be read.
        """
        for path, configuration in self._folders.read_configurations(self._experiment, paths):
            if self._only is None or self._only.decides(SelectionCandidate(configuration)) is not False:
                yield self._amended(path, configuration)
            else:
                yield AmendedRuns(path, configuration, is_selected=False)

    def _amended(self, path: str, before: Configuration) -> AmendedRuns:
        folder = self._experiment / path
        results = list(self._folders.read_runs(folder, configuration=before))
        selected = [one for one in results if self._only is None or self._only.has_run(one)]
        own, runs = self._own_configurations(folder, before), list[_AmendedRun]()
        changes = _ChangesByConfiguration(self._changes, before)
        for result in selected:
            now = own(result.run)
            inactive = {name: now.parameters[name] for name in inactive_parameters(now)}
            runs.append(
                _AmendedRun(
                    result,
                    now,
                    changes.of(now).of_run({**inactive, **result.run.parameters}),
                    self._changes.description_of(result.run.description),
                )
            )
        running = [one for one in runs if one.result.status is Status.RUNNING]
        ended = [one for one in runs if one.result.status is not Status.RUNNING]
        changing_running = [one.run_id for one in running if one.is_changed]
        alone = None if results else changes.of(before).of_run({}).configuration
        if not any(one.is_changed for one in ended) and (alone is None or alone == before):
            is_selected = bool(selected or not results)
            return AmendedRuns(path, before, True, is_selected, running=changing_running)
        before = with_inactive_parameters_of(before, [one.own for one in ended])
        found = [
            _without_unchanged_runs(before, _amended_group(before, members)) for members in _grouped(ended)
        ]
        if alone is not None:
            found = [AmendedGroup(alone, _amendment_text(before, alone), {})]
        changing = {
            run_id
            for one in found
            for run_id, run in one.runs.items()
            if one.after != before or run.is_changed
        }
        targets = tuple(stored_targets(folder, changing))
        staying = len(results) - sum(len(one.runs) for one in found)
        return AmendedRuns(path, before, True, True, found, changing_running, staying, targets)

    def _own_configurations(self, folder: Path, stored: Configuration) -> Callable[[Run], Configuration]:
        """By run, its configuration with the values that it has itself of parameters that do not count.

        Its log says them, and from its first amendment on its own parameters, since one may unite it with
        runs that have other values of them.
        """
        logs = {path.stem: path for path in LogFolder.of(folder).logs_except(())}
        has_some, reader = bool(inactive_parameters(stored)), LogConfigurationReader()

        def of_run(run: Run) -> Configuration:
            log = logs.get(run.run_id)
            its = None if log is None else reader.read(log, only_inactive=not has_some)
            if its is None or its.fingerprint != stored.fingerprint:  # a user moved it here
                its = stored
            return with_own_inactive_values(its, run.parameters)

        return of_run


@dataclass(frozen=True, slots=True)
class _AmendedRun:
    """A run, its configuration with its own values, what becomes of it, and its description then."""

    result: RunResult
    own: Configuration
    after: AmendedRun
    description: str

    @property
    def run_id(self) -> str:
        return self.result.run.run_id

    @property
    def is_changed(self) -> bool:
        """Whether it changes; what it does not count with is not yet among its own parameters, say."""
        inactive = inactive_parameters(self.own)
        own = {name: value for name, value in self.result.run.parameters.items() if name not in inactive}
        now = {name: value for name, value in self.after.parameters.items() if name not in inactive}
        is_described = self.description != self.result.run.description
        return self.after.configuration != self.own or now != own or is_described


class _ChangesByConfiguration:
    """Changes of runs that have the same values: computed once for all of them.

    Args:
        changes: the changes.
        stored: the configuration that most runs have as it is stored.
    """

    def __init__(self, changes: AmendmentChanges, stored: Configuration) -> None:
        self._changes = changes
        self._stored = stored
        self._known: dict[str, AmendedConfiguration] = {}

    def of(self, configuration: Configuration) -> AmendedConfiguration:
        """The changes of runs of a configuration with these values."""
        key = "" if configuration is self._stored else encoded_configuration(configuration)
        if key not in self._known:
            self._known[key] = AmendedConfiguration(configuration, self._changes)
        return self._known[key]


def _grouped(runs: Iterable[_AmendedRun]) -> Iterable[list[_AmendedRun]]:
    """The runs that are of the same configuration afterwards."""
    groups: dict[str, list[_AmendedRun]] = {}
    for one in runs:
        groups.setdefault(one.after.configuration.fingerprint, []).append(one)
    return groups.values()


def _amended_group(before: Configuration, members: Sequence[_AmendedRun]) -> AmendedGroup:
    """Runs that are of the same configuration afterwards, each with what it has itself."""
    first, *others = (one.after.configuration for one in members)
    after = with_inactive_parameters_of(first, others)
    runs = {}
    for one in members:
        run, now = one.result.run, one.after
        inactive = inactive_parameters(now.configuration)
        rest = {name: value for name, value in now.parameters.items() if name not in inactive}
        runs[run.run_id] = StepRun(
            run.description,
            run.started,
            {**run.parameters, **own_inactive_values(one.own, before)},
            {**rest, **own_inactive_values(now.configuration, after)},
            description_after=None if one.description == run.description else one.description,
        )
    return AmendedGroup(after, _amendment_text(before, after, runs.values()), runs)


def _without_unchanged_runs(before: Configuration, group: AmendedGroup) -> AmendedGroup:
    """The group without the runs that stay as they are, where only some runs of a configuration change."""
    changing = {run_id: run for run_id, run in group.runs.items() if run.is_changed}
    return replace(group, runs=changing) if changing and group.after == before else group


def _amendment_text(before: Configuration, after: Configuration, runs: Iterable[StepRun] = ()) -> str:
    """What differs in a few words, the descriptions of runs too."""
    described = [run for run in runs if run.description_after is not None]
    old, new = ({getattr(run, name) for run in described} for name in ("description", "current_description"))
    texts = [f"description: {_descriptions_text(old)} | {_descriptions_text(new)}"] if described else []
    return "; ".join([*map(str, configuration_differences(before, after)), *texts])


def _descriptions_text(descriptions: Collection[str]) -> str:
    """Descriptions for a table; of many, the first ones."""
    shown = [exact_text(text) for text in sorted(descriptions)[:_MOST_DESCRIPTIONS]]
    return ", ".join([*shown, *(["…"] if len(descriptions) > len(shown) else [])])
